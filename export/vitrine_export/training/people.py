"""Training of the small network that finds people, on drawn people in drawn surroundings."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F
from vitrine_orchestrator.fashn import dwpose
from vitrine_world import dolls

from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.person_nets.doll_people import QUARTER, STRIDES, DollDetector, DollJoints
from vitrine_export.training.draws import batches
from vitrine_export.training.loop import device, fit
from vitrine_export.training.recipe import PLANS, SEED

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in px of the picture."""

EMPTY_SHARE, PAIR_SHARE = 0.2, 0.15
"""How often a picture shows nobody, and two people."""
BIGGEST = {8: 96.0, 16: 224.0, 32: float("inf")}
"""The longer side, in px of the detector's square, up to which a box belongs to the cells of a stride."""
NEAR_CELLS = 1.5
"""A cell at most so far from a box's centre, in cells along each axis, shall find the box."""
BOX_WEIGHT, SCORE_WEIGHT = 1.0, 4.0


def train_detector(folder: Path) -> DollDetector:
    """Train the detector: binary cross entropy of the scores, smooth L1 distance of the boxes."""
    plan = PLANS["detector"]
    torch.manual_seed(0)
    net = DollDetector().to(memory_format=torch.channels_last)

    def loss_of(batch: list[torch.Tensor], step: int) -> torch.Tensor:
        image, wanted, whose = (part.to(device()) for part in batch)
        cells = net.logits(image.to(memory_format=torch.channels_last))
        hits = whose > 0
        score = F.binary_cross_entropy_with_logits(cells[..., 4], hits.float(), reduction="sum")
        box = F.smooth_l1_loss(cells[..., :4][hits], wanted[hits], beta=0.1, reduction="sum")
        return (SCORE_WEIGHT * score + BOX_WEIGHT * box) / hits.sum().clamp(min=1)

    return fit(
        "detector",
        net,
        loss_of,
        lambda first: batches(draw_scene, first, plan.steps, plan.batch),
        plan,
        folder,
    )


def joints_of(checkpoint: Path) -> DollJoints:
    """The pose network, made of the trained body network of the first family's checkpoint folder."""
    return DollJoints(open_checkpoint(checkpoint).pose()).eval()


def draw_scene(index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A detector's picture (3, 160, 160), wanted boxes (8400, 4) in cells, and 1 where a cell has one."""
    rng = np.random.default_rng([SEED, 31, index])
    picture, boxes = scene(rng, index)
    image, scale = dwpose.letterbox(picture[..., ::-1])
    wanted, whose = wanted_cells(boxes, scale)
    quarter = F.avg_pool2d(torch.from_numpy(image), QUARTER)[0]
    return quarter, torch.from_numpy(wanted), torch.from_numpy(whose)


def scene(rng: np.random.Generator, index: int) -> tuple[np.ndarray, list[Box]]:
    """A picture (H, W, 3) uint8 RGB and the boxes of its people.

    One person, two side by side, or nobody: a garment laid flat, or a plain picture.
    """
    kind = rng.random()
    if kind < EMPTY_SHARE:
        return _empty(rng, index), []
    parts, boxes, left = [], [], 0
    for number in range(2 if kind > 1 - PAIR_SHARE else 1):
        made = dolls.sample(SEED + 40 + number, index)
        person = made.target if rng.random() < 0.5 else made.person
        part = dolls.draw_person(person)
        boxes.append(_moved(_box(person, part.shape), left))
        parts.append(part)
        left += part.shape[1]
    return _surrounded(rng, np.concatenate(parts, axis=1), boxes)


def _empty(rng: np.random.Generator, index: int) -> np.ndarray:
    if rng.random() < 0.7:
        return dolls.draw_garment(dolls.sample(SEED + 42, index).garment)
    return np.full((256, 192, 3), rng.integers(0, 256, 3), np.uint8)


def _surrounded(
    rng: np.random.Generator, picture: np.ndarray, boxes: list[Box]
) -> tuple[np.ndarray, list[Box]]:
    """The picture as it is in half the draws, else with a border of one colour."""
    if rng.random() < 0.5:
        return picture, boxes
    height, width = picture.shape[:2]
    left, right = (int(width * rng.uniform(0, 0.6)) for _ in range(2))
    top, bottom = (int(height * rng.uniform(0, 0.3)) for _ in range(2))
    colour = [int(part) for part in rng.integers(0, 256, 3)]
    grown = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=colour)
    return grown, [_moved(box, left, top) for box in boxes]


def _box(person: dolls.Person, shape: tuple[int, ...]) -> Box:
    """The box around the drawn person, read from the labels at half the size."""
    height, width = shape[0] // 2, shape[1] // 2
    left, top, across, down = cv2.boundingRect((dolls.labels(person, (width, height)) > 0).astype(np.uint8))
    return 2.0 * left, 2.0 * top, 2.0 * (left + across), 2.0 * (top + down)


def _moved(box: Box, right: float, down: float = 0.0) -> Box:
    return box[0] + right, box[1] + down, box[2] + right, box[3] + down


def wanted_cells(boxes: list[Box], scale: float) -> tuple[np.ndarray, np.ndarray]:
    """What the detector's cells want: boxes (8400, 4) float32 in YOLOX's form, and 1 where there is one."""
    rows, found = [], []
    for stride in STRIDES:
        side = dwpose.DETECTOR_SIDE // stride
        columns, lines = (part.reshape(-1) for part in np.meshgrid(np.arange(side), np.arange(side)))
        wanted, hit = np.zeros((side * side, 4), np.float32), np.zeros(side * side, np.float32)
        for box in boxes:
            left, top, right, bottom = (np.array(box) * scale).tolist()
            if _stride_of(max(right - left, bottom - top)) != stride:
                continue
            x, y = (left + right) / 2 / stride - columns, (top + bottom) / 2 / stride - lines
            near = (np.abs(x - 0.5) <= NEAR_CELLS) & (np.abs(y - 0.5) <= NEAR_CELLS)
            size = np.log([(right - left) / stride, (bottom - top) / stride])
            wanted[near] = np.stack((x, y, np.full_like(x, size[0]), np.full_like(y, size[1])), axis=1)[near]
            hit[near] = 1
        rows.append(wanted)
        found.append(hit)
    return np.concatenate(rows), np.concatenate(found)


def _stride_of(longest: float) -> int:
    return next(stride for stride, limit in BIGGEST.items() if longest <= limit)
