"""The drawings that the shop's networks learn from: made once, kept in files, used again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tqdm import tqdm
from vitrine_world import shop

from vitrine_export.shop_nets import HEADS
from vitrine_export.training.shop.recipe import PICTURES, SEED, STYLE_SHARES

LIGHTS = HEADS["light"]

SHARD = 600
"""Drawings in one file: a stopped run draws at most one shard again."""


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Drawings of the shop and what they show, row by row.

    `pictures` (N, S, S, 3) and `alphas` (N, S, S) are uint8 arrays, `labels` (N,) int64 tensors by head.
    """

    pictures: np.ndarray
    alphas: np.ndarray
    labels: dict[str, torch.Tensor]

    def shrunk(self, factor: int) -> PictureSet:
        """Return the set at 1 / `factor` of its size, by area averages."""
        side = self.pictures.shape[1] // factor

        def small(arrays: np.ndarray) -> np.ndarray:
            return np.stack([cv2.resize(one, (side, side), interpolation=cv2.INTER_AREA) for one in arrays])

        return PictureSet(small(self.pictures), small(self.alphas), self.labels)

    def batch(self, step: int, size: int) -> Batch:
        """Return a step's batch, always the same: random rows, half of them mirrored with their light."""
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
    """Convert (R, H, W, 3) uint8 RGB to (R, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 127.5 - 1.0


def picture_set(folder: Path, count: int = PICTURES) -> PictureSet:
    """Return the set; shards that are in `folder` are read, the others are drawn and written."""
    held = drawn_once(folder, "shop_pictures", _row, count)
    samples = [shop.sample(SEED, index).facts for index in range(count)]
    labels = {
        name: torch.tensor([names.index(_value(samples[index], index, name)) for index in range(count)])
        for name, names in HEADS.items()
    }
    return PictureSet(held[..., :3], held[..., 3], labels)


def style_of(index: int) -> str:
    """Return the style in which a row of the set is drawn."""
    rng = np.random.default_rng([SEED, 1, index])
    return str(rng.choice(list(STYLE_SHARES), p=list(STYLE_SHARES.values())))


def drawn_once(folder: Path, name: str, draw: Callable[[int], np.ndarray], count: int) -> np.ndarray:
    """Return draw(0) to draw(count − 1) stacked, from shards in `folder`; missing shards are drawn first."""
    starts = tqdm(range(0, count, SHARD), name, unit="shard", mininterval=2)
    return np.concatenate(
        [_shard(folder, name, draw, range(start, min(start + SHARD, count))) for start in starts]
    )


def _shard(folder: Path, name: str, draw: Callable[[int], np.ndarray], indices: range) -> np.ndarray:
    path = folder / f"{name}_{indices.start:05d}_{indices.stop:05d}.npy"
    if path.exists():
        return np.load(path)
    drawn = np.stack([draw(index) for index in indices])
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp.npy")
    np.save(draft, drawn)
    draft.replace(path)
    return drawn


def _row(index: int) -> np.ndarray:
    drawn = shop.draw(shop.sample(SEED, index), style=style_of(index))
    return np.dstack([drawn.picture, drawn.alpha])


def _value(facts: shop.Facts, index: int, head: str) -> str:
    return style_of(index) if head == "style" else getattr(facts, head)
