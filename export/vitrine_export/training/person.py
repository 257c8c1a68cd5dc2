"""Trains the person networks: parsing with ATR's and with LIP's labels, body parts, and pose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from vitrine_orchestrator.person import parsing, pose
from vitrine_orchestrator.person.people import LIMBS
from vitrine_world import dolls

from vitrine_export.person_nets import BodyPose, DensePose, Parsing, Segmenter
from vitrine_export.person_nets.body_pose import SMALL_WIDTHS
from vitrine_export.training.draws import PERSON_SIZE, batches
from vitrine_export.training.loop import autocast, device, fit
from vitrine_export.training.recipe import PLANS, SEED

ATR_OF_LABEL = (*range(18), 11)
"""Label 0 to 18 → class of the ATR data set, which has no neck (18): it is part of the face (11)."""

LIP_OF_LABEL = (0, 1, 2, 4, 5, 12, 9, 6, 0, 18, 19, 13, 16, 17, 14, 15, 0, 11, 0)
"""Label 0 to 18 → class of the LIP data set; belt, bag and neck become background (0)."""

POSE_SCALE = pose.INPUT_HEIGHT / PERSON_SIZE[1]
"""Size of the pose network's input, relative to PERSON_SIZE."""


def _person(index: int, stream: int) -> dolls.Person:
    made = dolls.sample(SEED + stream, index)
    return made.target if index % 2 else made.person


def _picture(person: dolls.Person) -> np.ndarray:
    """Return the person's picture, drawn at 192×256 and resized to 384×512 as in serving."""
    drawn = dolls.draw_person(person)
    return cv2.resize(drawn, PERSON_SIZE, interpolation=cv2.INTER_CUBIC)


def draw_parsing(index: int, size: int, names: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a parsing input (3, size, size) and its true classes (⌈size/2⌉, ⌈size/2⌉).

    `names` maps the drawn labels to the data set's classes; the class outside the picture is −100.
    """
    person, half = _person(index, size), (size + 1) // 2
    labels = np.array(names, np.int16)[dolls.labels(person, PERSON_SIZE)]
    truth = _truth(labels, parsing.to_square(*PERSON_SIZE, size) * (half - 1) / (size - 1), half, half, index)
    return torch.from_numpy(parsing.network_input(_picture(person), size)), truth


def draw_parts(index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a DensePose input (512, 384, 3) uint8 and its true parts (256, 192)."""
    person = _person(index, 25)
    width, height = (side // 2 for side in PERSON_SIZE)
    shrink = np.diag([(width - 1) / (PERSON_SIZE[0] - 1), (height - 1) / (PERSON_SIZE[1] - 1)])
    to_cells = np.concatenate([shrink, np.zeros((2, 1))], axis=1)
    truth = _truth(dolls.parts(person, PERSON_SIZE).astype(np.int16), to_cells, width, height, index)
    return torch.from_numpy(_picture(person)), truth


def _truth(labels: np.ndarray, to_cells: np.ndarray, width: int, height: int, index: int) -> torch.Tensor:
    """Sample labels (int16) at one random point in each cell; returns (height, width) int64.

    The point has the same position in all cells of a sample; labels outside the picture are −100. Over many
    samples a cell's probabilities become the shares of the labels in it, so interpolated logits are equal at
    the outline.
    """
    shift = np.random.default_rng([SEED, index]).uniform(-0.5, 0.5, 2)
    moved = to_cells + np.array([[0, 0, shift[0]], [0, 0, shift[1]]])
    truth = cv2.warpAffine(labels, moved, (width, height), flags=cv2.INTER_NEAREST, borderValue=-100)
    return torch.from_numpy(truth.astype(np.int64))


def draw_pose(index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Draw a pose input (3, H, W), its part affinities (38, H/8, W/8) and heatmaps (19, H/8, W/8)."""
    person = _person(index, 18)
    image = pose.network_input(_picture(person))
    points = dolls.keypoints(person)
    scale = np.array(PERSON_SIZE) * POSE_SCALE / 8
    where = points[:, :2] * scale - 0.5
    rows, columns = np.mgrid[: image.shape[1] // 8, : image.shape[2] // 8].astype(np.float32)
    heat = _heatmaps(where, points[:, 2] > 0, rows, columns)
    pafs = _affinities(where, points[:, 2] > 0, rows, columns)
    return torch.from_numpy(image), torch.from_numpy(pafs), torch.from_numpy(heat)


def _heatmaps(where: np.ndarray, seen: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return a Gaussian of σ = 1 cell around each joint, and 1 − their maximum for the background."""
    squares = (columns - where[:, 0, None, None]) ** 2 + (rows - where[:, 1, None, None]) ** 2
    heat = np.exp(-squares / 2) * seen[:, None, None]
    return np.concatenate([heat, 1 - heat.max(axis=0, keepdims=True)]).astype(np.float32)


def _affinities(where: np.ndarray, seen: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return each limb's unit vector (x, y) in the cells at most one cell from the limb, else 0."""
    maps = np.zeros((2 * len(LIMBS), *rows.shape), np.float32)
    for start, end, channel in LIMBS:
        if not (seen[start] and seen[end]):
            continue
        along = where[end] - where[start]
        length = max(float(np.hypot(*along)), 1e-6)
        x, y = columns - where[start, 0], rows - where[start, 1]
        forward = (x * along[0] + y * along[1]) / length
        aside = np.abs(x * along[1] - y * along[0]) / length
        near = (forward >= -0.5) & (forward <= length + 0.5) & (aside <= 1)
        maps[channel], maps[channel + 1] = near * along[0] / length, near * along[1] / length
    return maps


def _train_segments(name: str, net: nn.Module, logits: Callable, draw: Callable, folder: Path) -> nn.Module:
    plan = PLANS[name]

    def loss_of(batch: list[torch.Tensor], step: int) -> torch.Tensor:
        image, truth = (part.to(device()) for part in batch)
        with autocast():
            answer = logits(image)
        return F.cross_entropy(answer.float(), truth)

    return fit(name, net, loss_of, lambda first: batches(draw, first, plan.steps, plan.batch), plan, folder)


def train_parsing(name: str, folder: Path) -> Parsing:
    """Train `parsing_atr` or `parsing_lip`; LIP starts from ATR's weights, trained first if missing."""
    size, names = {
        "parsing_atr": (parsing.ATR_SIZE, ATR_OF_LABEL),
        "parsing_lip": (parsing.LIP_SIZE, LIP_OF_LABEL),
    }[name]
    torch.manual_seed(0)
    net = Parsing({"parsing_atr": 18, "parsing_lip": 20}[name]).to(memory_format=torch.channels_last)
    if name == "parsing_lip":
        _start(net.segmenter, folder)
    return _train_segments(name, net, net.segmenter, lambda index: draw_parsing(index, size, names), folder)


def train_densepose(folder: Path) -> DensePose:
    """Train the body parts, from the weights of `parsing_atr`, which are trained first if missing."""
    torch.manual_seed(0)
    net = DensePose().to(memory_format=torch.channels_last)
    _start(net.segmenter, folder)
    return _train_segments("densepose", net, net.logits, draw_parts, folder)


def _start(segmenter: Segmenter, folder: Path) -> None:
    """Copy all weights of `parsing_atr` except the head's, because the outlines are the same."""
    trained = train_parsing("parsing_atr", folder).segmenter.state_dict()
    trained = {key: value for key, value in trained.items() if not key.startswith("head.")}
    segmenter.load_state_dict(trained, strict=False)


def train_pose(folder: Path) -> BodyPose:
    """Train pose with squared errors at every stage (Cao et al., section 3.2)."""
    plan = PLANS["pose"]
    torch.manual_seed(0)
    net = BodyPose(SMALL_WIDTHS, stages=2, branch=(32, 48), later=16).to(memory_format=torch.channels_last)
    net.apply(_draw_weights)

    def loss_of(batch: list[torch.Tensor], step: int) -> torch.Tensor:
        image, pafs, heat = (part.to(device()) for part in batch)
        with autocast():
            answers = net.every_stage(image.to(memory_format=torch.channels_last))
        return sum(
            (p.float() - pafs).square().mean() + (h.float() - heat).square().mean() for p, h in answers
        )

    return fit(
        "pose", net, loss_of, lambda first: batches(draw_pose, first, plan.steps, plan.batch), plan, folder
    )


def _draw_weights(module: nn.Module) -> None:
    """Draw weights that keep the variance through ReLUs (He et al., "Delving Deep into Rectifiers", 2015).

    The network has no normalisation, and with torch's default the variance falls from layer to layer.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(module.bias)
