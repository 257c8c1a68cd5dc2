"""Boxes of a picture in pixels, and the nine anchors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest

from vitrine_orchestrator.images.region import box_around

ANCHORS: dict[str, tuple[float, float]] = {
    "top-left": (0.0, 0.0),
    "top": (0.5, 0.0),
    "top-right": (1.0, 0.0),
    "left": (0.0, 0.5),
    "center": (0.5, 0.5),
    "right": (1.0, 0.5),
    "bottom-left": (0.0, 1.0),
    "bottom": (0.5, 1.0),
    "bottom-right": (1.0, 1.0),
}
"""By anchor: the share of the free width that is left of the block, and of the free height above it."""

Shares = tuple[float, float, float, float]
"""A box as left, top, right and bottom in shares of the picture's width and height."""


@dataclass(frozen=True)
class Box:
    """Whole pixels: right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    @property
    def numbers(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.right, self.bottom

    @property
    def part(self) -> tuple[slice, slice]:
        """Its rows and columns, for an array of the picture's size."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def cut(self, width: int, height: int) -> Box:
        """The part of the box that lies in a picture of that size; of no pixels where none does."""
        left, top = min(max(self.left, 0), width), min(max(self.top, 0), height)
        return Box(left, top, max(min(self.right, width), left), max(min(self.bottom, height), top))

    def grown(self, by: int) -> Box:
        """The box with `by` pixels more on each side."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def moved(self, across: int, down: int) -> Box:
        """The box so many pixels further right and down."""
        return Box(self.left + across, self.top + down, self.right + across, self.bottom + down)


def box_of(marked: NDArray[np.bool_]) -> Box | None:
    """The smallest box around what is marked of (height, width); None where nothing is."""
    found = box_around(marked.astype(np.uint8))
    if found is None:
        return None
    rows, columns = found
    return Box(columns.start, rows.start, columns.stop, rows.stop)


def inner(width: int, height: int, margin: float) -> Box:
    """The picture without a margin, a share of its shorter side."""
    edge = round(margin * min(width, height))
    return Box(edge, edge, width - edge, height - edge)


def anchored(anchor: str, width: int, height: int, region: Box) -> Box:
    """A block of that size in a region, at one of ANCHORS."""
    across, down = ANCHORS[anchor]
    left = region.left + round((region.width - width) * across)
    top = region.top + round((region.height - height) * down)
    return Box(left, top, left + width, top + height)


def of_shares(shares: Shares, width: int, height: int) -> Box:
    """The pixels of a box in shares of a picture of that size; at least one in width and in height."""
    left, top = math.floor(shares[0] * width), math.floor(shares[1] * height)
    right, bottom = math.ceil(shares[2] * width), math.ceil(shares[3] * height)
    return Box(left, top, max(min(right, width), left + 1), max(min(bottom, height), top + 1))


def checked_shares(name: str, value: object) -> Shares:
    """A box of a request in shares; BadRequest unless it is four numbers of a box inside the picture."""
    rule = f"{name} must be left, top, right and bottom as shares of the picture, 0 to 1"
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 4:
        raise BadRequest(f"{rule}, got {str(value)[:80]}")
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in value):
        raise BadRequest(f"{rule}, got {str(value)[:80]}")
    left, top, right, bottom = value
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):  # before float(), which some ints overflow
        raise BadRequest(f"{rule}, got {str(value)[:80]}")
    return float(left), float(top), float(right), float(bottom)
