"""The drawings that the shop's networks learn from: made once, kept in a file, used again and again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from vitrine_world import shop

from vitrine_export.shop_nets import HEADS
from vitrine_export.training.shop.recipe import PICTURES, SEED, STYLE_SHARES

LIGHTS = HEADS["light"]


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Drawings of the shop and what they show, row by row.

    `pictures` (N, S, S, 3) and `alphas` (N, S, S) are uint8 arrays, `labels` (N,) int64 tensors by head.
    """

    pictures: np.ndarray
    alphas: np.ndarray
    labels: dict[str, torch.Tensor]

    def batch(self, step: int, size: int) -> Batch:
        """The batch of a step, always the same: random rows, half of them mirrored with their light."""
        rng = np.random.default_rng([SEED, 2, step])
        rows = rng.integers(len(self.pictures), size=size)
        mirrored = rng.random(size) < 0.5
        pictures, alphas = signed(self.pictures[rows]), torch.from_numpy(self.alphas[rows])[:, None] / 255.0
        flip = torch.from_numpy(mirrored)
        pictures = torch.where(flip[:, None, None, None], pictures.flip(-1), pictures)
        alphas = torch.where(flip[:, None, None, None], alphas.flip(-1), alphas)
        labels = {name: values[rows] for name, values in self.labels.items()}
        labels["light"] = torch.where(flip, len(LIGHTS) - 1 - labels["light"], labels["light"])
        return Batch(pictures, alphas, labels)


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures (R, 3, S, S) in [-1, 1], alphas (R, 1, S, S) in 0 to 1, labels (R,) by head."""

    pictures: torch.Tensor
    alphas: torch.Tensor
    labels: dict[str, torch.Tensor]


def signed(pictures: np.ndarray) -> torch.Tensor:
    """(R, H, W, 3) uint8 RGB → (R, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 127.5 - 1.0


def picture_set(folder: Path, count: int = PICTURES) -> PictureSet:
    """The set, read from `folder` where it is there already."""
    path = folder / f"shop_pictures_{count}.npy"
    if not path.exists():
        _draw_all(path, count)
    held = np.load(path, mmap_mode="r")
    samples = [shop.sample(SEED, index).facts for index in range(count)]
    labels = {
        name: torch.tensor([names.index(_value(samples[index], index, name)) for index in range(count)])
        for name, names in HEADS.items()
    }
    return PictureSet(held[..., :3], held[..., 3], labels)


def style_of(index: int) -> str:
    """The style in which a row of the set is drawn."""
    rng = np.random.default_rng([SEED, 1, index])
    return str(rng.choice(list(STYLE_SHARES), p=list(STYLE_SHARES.values())))


def _draw_all(path: Path, count: int) -> None:
    """Write (count, S, S, 4) uint8: the picture and the product's alpha."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = np.empty((count, shop.SIZE, shop.SIZE, 4), np.uint8)
    for index in tqdm(range(count), "shop pictures", mininterval=2):
        drawn = shop.draw(shop.sample(SEED, index), style=style_of(index))
        held[index] = np.dstack([drawn.picture, drawn.alpha])
    draft = path.with_suffix(".tmp.npy")
    np.save(draft, held)
    draft.replace(path)


def _value(facts: shop.Facts, index: int, head: str) -> str:
    return style_of(index) if head == "style" else getattr(facts, head)
