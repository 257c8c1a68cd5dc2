"""What training sees: the world's drawings as arrays, the same for the same step and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, default_collate
from vitrine_orchestrator.person import densepose, prepare
from vitrine_orchestrator.person.mask import inpainting_mask
from vitrine_world import dolls

from vitrine_export.training.recipe import PICTURE, SEED

PERSON_SIZE = (384, 512)
"""Width and height at which the person networks see a picture (as the released pipeline does)."""

OUTSIDE = 0.15
"""How much an error counts that serving covers with the person's own picture."""


class Drawn(Dataset[Any]):
    """Batches by step: item k is `draw(seed, first index)` stacked over the batch of step k."""

    def __init__(self, draw: Callable[[int], Any], first: int, steps: int, batch: int) -> None:
        self.draw, self.first, self.steps, self.batch = draw, first, steps, batch

    def __len__(self) -> int:
        return self.steps - self.first

    def __getitem__(self, item: int) -> Any:
        start = (self.first + item) * self.batch
        return default_collate([self.draw(index) for index in range(start, start + self.batch)])


def batches(draw: Callable[[int], Any], first: int, steps: int, batch: int) -> Iterator[Any]:
    """The batches of steps `first` to `steps`, drawn ahead in one worker process."""
    data = Drawn(draw, first, steps, batch)
    return iter(DataLoader(data, batch_size=None, shuffle=False, num_workers=1, prefetch_factor=4))


def signed(picture: np.ndarray) -> torch.Tensor:
    """HWC uint8 RGB → (3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(prepare.pixels(picture))


def mask_of(person: dolls.Person, category: dolls.Category) -> np.ndarray:
    """The true inpainting mask at the picture's size, (H, W) uint8 0/255."""
    labels, keypoints = dolls.labels(person, PERSON_SIZE), dolls.keypoints(person)
    return prepare.mask_at(inpainting_mask(labels, keypoints, category), *PICTURE)


def pose_picture(person: dolls.Person) -> np.ndarray:
    """The coloured body parts as serving makes them of true parts, HWC uint8 RGB at the picture's size."""
    return densepose.pose_picture(dolls.parts(person, PERSON_SIZE), *PICTURE)


def vae_picture(index: int) -> torch.Tensor:
    """One of what the VAE must carry: person, garment, masked person or coloured parts, (3, H, W)."""
    rng = np.random.default_rng([SEED, 1, index])
    made = dolls.sample(SEED + 1, index)
    kind = rng.choice(4, p=(0.4, 0.25, 0.15, 0.2))
    if kind == 0:
        return signed(dolls.draw_person(made.target))
    if kind == 1:
        return signed(dolls.draw_garment(made.garment))
    if kind == 2:
        mask = mask_of(made.person, made.category)
        return torch.from_numpy(prepare.masked_pixels(dolls.draw_person(made.person), mask))
    return signed(pose_picture(made.person))


def vae_crops(index: int, side: int = 64, count: int = 3) -> torch.Tensor:
    """`count` crops of one picture, (count, 3, side, side): cheap steps for colours and edges."""
    rng = np.random.default_rng([SEED, 2, index])
    picture = vae_picture(index)
    corners = [
        [8 * rng.integers(0, (length - side) // 8 + 1) for length in picture.shape[1:]] for _ in range(count)
    ]
    return torch.stack([picture[:, y : y + side, x : x + side] for y, x in corners])


def worn_picture(index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A dressed person (3, H, W), and how much each pixel counts (1, H, W): most where a try-on paints."""
    made = dolls.sample(SEED + 2, index)
    painted = torch.from_numpy(mask_of(made.person, made.category) > 0)
    return signed(dolls.draw_person(made.target)), weights(painted[None])


def weights(painted: torch.Tensor) -> torch.Tensor:
    """1 where a try-on paints, OUTSIDE elsewhere: those pixels are pasted back from the person's picture."""
    return torch.where(painted, 1.0, OUTSIDE)
