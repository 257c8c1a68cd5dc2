"""Packs latents and captions of different sizes into one call's tensors, and unpacks the output.

The net was trained with picture and caption each filled up to a multiple of 32 tokens with a learned pad
token, which is attended. What fills a row up to the longest of a call is masked: it must change nothing.
Caption tokens have positions 1, 2, … on the first axis, pads included; picture tokens have the position after
them and their row and column; picture pads stay at (0, 0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vitrine_orchestrator.drawing.engine import lengthened, stacked, valid
from vitrine_orchestrator.drawing.facts import PATCH
from vitrine_orchestrator.z_image.facts import TOKENS


@dataclass(frozen=True)
class TokenRow:
    """What one row keeps from step to step; N picture tokens and M caption tokens, pads included."""

    size: tuple[int, int]  # height and width of the latents
    picture_ids: np.ndarray  # (N, 3) int64
    picture_pad: np.ndarray  # (N,) bool: the learned pad token
    caption: np.ndarray  # (M, width) float32
    caption_ids: np.ndarray  # (M, 3) int64
    caption_pad: np.ndarray  # (M,) bool

    @property
    def tokens(self) -> int:
        """All tokens of the row."""
        return len(self.picture_pad) + len(self.caption_pad)


def token_row(size: tuple[int, int], caption: np.ndarray) -> TokenRow:
    """The row of latents of that height and width, both even, with a caption (n, width), n at least 1."""
    words = filled_up(len(caption))
    caption_ids = np.zeros((words, 3), np.int64)
    caption_ids[:, 0] = np.arange(1, words + 1)
    tall, wide = size[0] // PATCH, size[1] // PATCH
    picture_ids = np.zeros((filled_up(tall * wide), 3), np.int64)
    picture_ids[: tall * wide, 0] = words + 1
    picture_ids[: tall * wide, 1:] = np.indices((tall, wide)).reshape(2, -1).T
    return TokenRow(
        size=size,
        picture_ids=picture_ids,
        picture_pad=np.arange(len(picture_ids)) >= tall * wide,
        caption=lengthened(caption, words),
        caption_ids=caption_ids,
        caption_pad=np.arange(words) >= len(caption),
    )


def filled_up(tokens: int) -> int:
    """The next multiple of TOKENS."""
    return tokens + -tokens % TOKENS


def stacked_rows(rows: Sequence[TokenRow]) -> dict[str, np.ndarray]:
    """The graph's inputs that stay equal from step to step, each row filled up to the longest."""
    names = ("picture_ids", "picture_pad", "caption", "caption_ids", "caption_pad")
    feeds = {name: stacked([getattr(row, name) for row in rows]) for name in names}
    for part in ("picture", "caption"):
        feeds[f"{part}_valid"] = valid([len(getattr(row, f"{part}_pad")) for row in rows])
    return feeds


def patches(latents: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Latents (C, h, w) of each row → (R, length, 4 · C); the channel is last within a patch."""
    return np.stack([lengthened(_patched(one), length) for one in latents])


def unpatched(tokens: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A row's output (N, 4 · C) → (C, h, w)."""
    tall, wide = size[0] // PATCH, size[1] // PATCH
    parted = tokens[: tall * wide].reshape(tall, wide, PATCH, PATCH, -1)  # tall, wide, p, p, C
    return parted.transpose(4, 0, 2, 1, 3).reshape(-1, *size)


def _patched(latents: np.ndarray) -> np.ndarray:
    channels, height, width = latents.shape
    parted = latents.reshape(channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return parted.transpose(1, 3, 2, 4, 0).reshape(-1, PATCH * PATCH * channels)
