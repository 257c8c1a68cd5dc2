"""What makes a cut-out doubtful, told by the alpha itself: a report names it, with what the caller can do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Found = NDArray[np.float32]  # (rows, columns) in 0 to 1: the alpha at the network's size

SOFT = 0.06
"""A softness from which an edge is uncertain: 0.017 to 0.036 where the network is right, 0.08 to 0.16 where
it is wrong (docs/decisions.md)."""
EDGE = 0.02
"""The share of a side of the picture that a product covers at least where the side cuts it off."""
PART = 0.1
"""The size of a second thing, at least, as a share of the largest."""


def softness(found: Found) -> float:
    """The mean distance of alpha from 0 and 1, summed over the picture, by the pixels that are product."""
    return float(np.minimum(found, 1 - found).sum()) / max(int((found >= 0.5).sum()), 1)


@dataclass(frozen=True)
class Doubt:
    """One reason to look at a cut-out before it is used."""

    word: str  # a row of WORDS
    message: str

    def told(self) -> dict[str, str]:
        """The report's entry."""
        return {"word": self.word, "message": self.message}


def doubts_of(found: Found, raised: bool) -> list[Doubt]:
    """All doubts about an alpha; `raised`: whether it was found only after the contrast was raised."""
    said = ((word, tell(found, raised)) for word, tell in WORDS.items())
    return [Doubt(word, message) for word, message in said if message]


def _soft(found: Found, raised: bool) -> str | None:
    value = softness(found)
    if value < SOFT:
        return None
    return (
        f"the product's edge is uncertain ({value:.2f}, sure below {SOFT}): photograph it larger, on a "
        "ground of another colour, or send the box in which it is"
    )


def _faint(found: Found, raised: bool) -> str | None:
    if not raised:
        return None
    return (
        "the product has nearly the colour of its ground, and was found only in raised contrast: look at the "
        "edge, or photograph it on a ground of another colour"
    )


def _cut(found: Found, raised: bool) -> str | None:
    sides = {"left": found[:, 0], "top": found[0], "right": found[:, -1], "bottom": found[-1]}
    cut = [name for name, line in sides.items() if (line >= 0.5).mean() >= EDGE]
    if not cut:
        return None
    return f"the picture's edge cuts the product off ({', '.join(cut)}): send a photograph of all of it"


def _several(found: Found, raised: bool) -> str | None:
    count, _, figures, _ = cv2.connectedComponentsWithStats((found >= 0.5).astype(np.uint8))
    areas = figures[1:, cv2.CC_STAT_AREA]
    things = int((areas >= PART * areas.max()).sum()) if count > 1 else 0
    if things < 2:
        return None
    return f"{things} things stand apart: where one of them is no product, send the box of the one that is"


WORDS: dict[str, Callable[[Found, bool], str | None]] = {
    "soft": _soft,
    "faint": _faint,
    "cut": _cut,
    "several": _several,
}
"""By the word of a doubt, what tells it: a sentence, or None."""
