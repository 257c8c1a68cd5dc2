"""The training data: drawn samples as tensors, equal for equal seeds and indices."""

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
"""Width and height in px of the person networks' input, as in the released pipeline."""

OUTSIDE_WEIGHT = 0.15
"""Weight of errors outside the mask; serving pastes the person's own pixels over them."""


class DrawnBatches(Dataset[Any]):
    """The batches of steps `first` to `steps` − 1; step k has the samples draw(k · batch), …, stacked."""

    def __init__(self, draw: Callable[[int], Any], first: int, steps: int, batch: int) -> None:
        self.draw, self.first, self.steps, self.batch = draw, first, steps, batch

    def __len__(self) -> int:
        return self.steps - self.first

    def __getitem__(self, item: int) -> Any:
        start = (self.first + item) * self.batch
        return default_collate([self.draw(index) for index in range(start, start + self.batch)])


def batches(draw: Callable[[int], Any], first: int, steps: int, batch: int) -> Iterator[Any]:
    """Yield the batches of steps `first` to `steps` − 1; one worker process draws them ahead."""
    data = DrawnBatches(draw, first, steps, batch)
    return iter(DataLoader(data, batch_size=None, shuffle=False, num_workers=1, prefetch_factor=4))


def signed(picture: np.ndarray) -> torch.Tensor:
    """Convert a picture, HWC uint8 RGB, to (3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(prepare.pixels(picture))


def mask_of(person: dolls.Person, category: dolls.Category) -> np.ndarray:
    """Return the true inpainting mask at the picture's size, (H, W) uint8 0 or 255."""
    labels, keypoints = dolls.labels(person, PERSON_SIZE), dolls.keypoints(person)
    return prepare.mask_at(inpainting_mask(labels, keypoints, category), *PICTURE)


def pose_picture(person: dolls.Person) -> np.ndarray:
    """Return the body parts as the coloured picture that serving makes, HWC uint8 RGB, picture size."""
    return densepose.pose_picture(dolls.parts(person, PERSON_SIZE), *PICTURE)


def vae_picture(index: int) -> torch.Tensor:
    """Draw a person, garment, masked person or picture of body parts, (3, H, W): the VAE encodes all four."""
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
    """Draw `count` crops of one picture, (count, 3, side, side), which are cheaper than whole pictures."""
    rng = np.random.default_rng([SEED, 2, index])
    picture = vae_picture(index)
    corners = [
        [8 * rng.integers(0, (length - side) // 8 + 1) for length in picture.shape[1:]] for _ in range(count)
    ]
    return torch.stack([picture[:, y : y + side, x : x + side] for y, x in corners])


def dressed_person(index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a dressed person (3, H, W) and the weights of its pixels (1, H, W), as `weights` returns them."""
    made = dolls.sample(SEED + 2, index)
    painted = torch.from_numpy(mask_of(made.person, made.category) > 0)
    return signed(dolls.draw_person(made.target)), weights(painted[None])


def weights(painted: torch.Tensor) -> torch.Tensor:
    """Return 1 where a try-on paints (boolean mask), and OUTSIDE_WEIGHT elsewhere."""
    return torch.where(painted, 1.0, OUTSIDE_WEIGHT)
