"""Where light comes from and what it does to a picture: rows of times of day and of sides."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


@dataclass(frozen=True)
class Time:
    """A time of day: its words, the light's tint, and how light and shadow fall.

    `slope` is how much brighter the picture's lit edge is than its other one; `reach` is the length of a
    shadow in heights of what casts it; `depth` is the share of light that the shadow takes.
    """

    english: str
    korean: str
    tint: tuple[float, float, float]
    slope: float
    reach: float
    depth: float


TIMES = {
    row.english: row
    for row in (
        Time("morning", "아침", (1.0, 0.98, 0.90), 0.30, 0.55, 0.30),
        Time("noon", "한낮", (1.0, 1.0, 1.0), 0.20, 0.30, 0.36),
        Time("evening", "저녁", (1.0, 0.86, 0.72), 0.40, 0.75, 0.32),
    )
}
"""Every time by its English word."""

DROP = 0.14
"""How far a shadow falls towards the viewer, in heights of what casts it: light comes from behind."""


@dataclass(frozen=True)
class Side:
    """A side that light comes from; `away` is +1 where shadows fall to the right, −1 to the left."""

    english: str
    korean: str
    away: int


SIDES = {row.english: row for row in (Side("left", "왼쪽", 1), Side("right", "오른쪽", -1))}
"""Every side by its English word."""

LAMP = (0.02, 0.20)
"""Where the lamp of the style "night" hangs, as shares across and down, for light from the left."""
AMBIENT, GLOW, SPREAD = (0.30, 0.35, 0.62), (0.95, 0.70, 0.36), 0.42
"""The night's own light, the lamp's, and the share of the picture over which the lamp's fades."""


@lru_cache(maxsize=32)
def daylight(time: str, side: str, size: int) -> Field:
    """Return the daylight on every column, (1, size, 3); 1 leaves a colour as painted."""
    row, across = TIMES[time], _across(side, size)
    return (1.0 + row.slope * (0.45 - across))[None, :, None] * np.array(row.tint, np.float32)


@lru_cache(maxsize=8)
def lamplight(side: str, size: int) -> Field:
    """Return the light of a lamp by night on every pixel, (size, size, 3)."""
    across, down = _across(side, size), (np.arange(size, dtype=np.float32) + 0.5) / size
    squares = (across[None, :] - LAMP[0]) ** 2 + (down[:, None] - LAMP[1]) ** 2
    near = np.exp(-squares / (2.0 * SPREAD**2))[..., None]
    return np.array(AMBIENT, np.float32) + near * np.array(GLOW, np.float32)


def _across(side: str, size: int) -> Field:
    """Return the distance of each column from the lit edge, (size,) in 0 to 1."""
    across = np.asarray((np.arange(size) + 0.5) / size, np.float32)
    return across if SIDES[side].away > 0 else across[::-1]
