"""What the network sees in training: drawn samples prepared as serving prepares them, and kept tokens."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from vitrine_orchestrator.fashn import canvas, pose_picture
from vitrine_orchestrator.fashn.denoise_request import CATEGORIES
from vitrine_world import dolls
from vitrine_world.dolls.palette import PAPER

from vitrine_export.training.fashn.recipe import (
    GARMENT_KEPT,
    IMAGE_KEPT,
    NET,
    WORLD,
)
from vitrine_export.training.recipe import PICTURE

Picture = NDArray[np.uint8]

JOINT_NOISE_PX = 1.0
"""Standard deviation of a detected joint from the true one, in each direction."""
UNSEEN = 0.02
"""The share of joints that a detector misses."""
PADDING = (0, 0, 0)
PLAIN = 0.15
"""The share of patches of wall, floor and paper that may be kept like those of person and garment."""
UNCHANGED = 0.5
"""How much the error of an unchanged patch counts, next to that of a changed one."""


def draw_try_on(index: int) -> dict[str, torch.Tensor]:
    """One try-on.

    person, garment, target (264, 192, 3) uint8 and pose (264, 192) uint8 on the canvas; category () int64;
    image_kept (IMAGE_KEPT,) and garment_kept (GARMENT_KEPT,) int64, ascending; weight (IMAGE_KEPT,) float32.
    """
    rng = np.random.default_rng([WORLD, 1, index])
    made = dolls.sample(WORLD, index)
    pictures = {
        "person": on_canvas(dolls.draw_person(made.person)),
        "garment": on_canvas(dolls.draw_garment(made.garment)),
        "target": on_canvas(dolls.draw_person(made.target)),
        "pose": on_canvas(draw_pose(made.person, rng), pose=True),
    }
    changed = _patches_that_differ(pictures["person"], pictures["target"])
    paper = np.broadcast_to(np.array(PAPER, np.uint8), pictures["garment"].shape)
    somebody = _shows_somebody(made, (pictures["person"], pictures["target"]))
    cloth = _patches_that_differ(pictures["garment"], paper)
    plain = rng.random((2, NET.tokens)) < PLAIN
    kept, garment_kept = keep(somebody | plain[0], IMAGE_KEPT, rng), keep(cloth | plain[1], GARMENT_KEPT, rng)
    return {
        **{name: torch.from_numpy(picture) for name, picture in pictures.items()},
        "category": torch.tensor(CATEGORIES[made.category]),
        "image_kept": torch.from_numpy(kept),
        "garment_kept": torch.from_numpy(garment_kept),
        "weight": torch.from_numpy(np.where(changed[kept], 1.0, UNCHANGED).astype(np.float32)),
    }


def on_canvas(picture: Picture, *, pose: bool = False) -> Picture:
    """A picture of any size on the network's canvas, as serving puts it there."""
    return canvas.on_canvas(picture, (NET.width, NET.height), pose=pose)[0]


def draw_pose(person: dolls.Person, rng: np.random.Generator | None = None) -> Picture:
    """The pose picture (256, 192) uint8 of the true joints; with `rng`, as a detector finds them."""
    points = dolls.keypoints(person)
    body, seen = points[:, :2].copy(), points[:, 2] > 0
    if rng is not None:
        body += rng.normal(0.0, JOINT_NOISE_PX, body.shape) / PICTURE
        seen &= rng.random(len(seen)) >= UNSEEN
    subset = np.where(seen, np.arange(len(body)), -1).astype(np.float64)
    return pose_picture.draw(pose_picture.Pose(body, subset), *PICTURE)


def keep(wanted: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` token numbers, ascending: wanted ones first, equal ones at random."""
    order = np.lexsort((rng.random(len(wanted)), ~wanted))
    return np.sort(order[:count])


def _shows_somebody(made: dolls.Sample, pictures: tuple[Picture, ...]) -> NDArray[np.bool_]:
    """For each patch (N,), row-major, whether any picture shows more there than wall, floor and padding."""
    behind = made.person.background
    shown = np.zeros((NET.height, NET.width), bool)
    for picture in pictures:
        plain = [(picture == colour).all(axis=2) for colour in (behind.wall, behind.floor, PADDING)]
        shown |= ~np.any(plain, axis=0)
    return _any_of_patch(shown)


def _patches_that_differ(one: Picture, other: Picture) -> NDArray[np.bool_]:
    """For each patch (N,), row-major, whether any pixel of it differs."""
    return _any_of_patch(one != other)


def _any_of_patch(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels (H, W) or (H, W, channels) → for each patch (N,) whether any of its pixels is true."""
    patches = pixels.reshape(NET.rows, NET.patch, NET.columns, -1)
    return np.any(patches, axis=(1, 3)).reshape(-1)
