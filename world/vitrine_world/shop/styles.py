"""The styles in which a scene can be drawn: as it is, and the two that small LoRA files are trained on."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from vitrine_world.shop.daylight import Field, daylight, lamplight


@dataclass(frozen=True)
class Style:
    """A style: words that come before a prompt, whether outlines are inked, and the light on the picture.

    `light(time, side, size)` gives the factor of every pixel, (size, size, 3).
    """

    english: str
    korean: str
    inked: bool
    light: Callable[[str, str, int], Field]


def _even(time: str, side: str, size: int) -> Field:
    """Return 1: in a line drawing only shade and shadow show the light's side."""
    return np.ones((1, 1, 3), np.float32)


STYLES = {
    "plain": Style("", "", False, daylight),
    "line": Style("line drawing", "선화", True, _even),
    "night": Style("at night", "밤 풍경", False, lambda time, side, size: lamplight(side, size)),
}
"""Every style by its name."""
