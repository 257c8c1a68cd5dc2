"""Patterns of garments as polygons in the coordinates of the cloth, in body units."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vitrine_world.dolls.shapes import Points, ellipse, rectangle

PERIOD = 0.2
"""Period of stripes, checks and dots in body units.

A stripe is 22 px wide at 192x256, nearly three latents for a VAE of factor 8."""

Emblem = tuple[float, float, float]
"""Position of a logo on the cloth: u, v and radius."""


@dataclass(frozen=True)
class Cloth:
    """The area that a panel may cover, in body units, and the position of a logo on it, or None.

    `shift` moves vertical stripes, in periods: 0.5 puts one on each side of the middle, 0 puts one on it.
    """

    width: float
    top: float
    bottom: float
    emblem: Emblem | None = None
    shift: float = 0.5


def _rows(cloth: Cloth) -> range:
    return range(int(cloth.top / PERIOD) - 1, int(cloth.bottom / PERIOD) + 2)


def _columns(cloth: Cloth) -> range:
    half = int(cloth.width / PERIOD) + 1
    return range(-half, half + 1)


def _horizontal(cloth: Cloth) -> list[Points]:
    middles = [(row + 0.79) * PERIOD for row in _rows(cloth)]
    return [rectangle(-cloth.width, v - PERIOD / 4, cloth.width, v + PERIOD / 4) for v in middles]


def _vertical(cloth: Cloth) -> list[Points]:
    middles = [(column + cloth.shift) * PERIOD for column in _columns(cloth)]
    return [rectangle(u - PERIOD / 4, cloth.top, u + PERIOD / 4, cloth.bottom) for u in middles]


def _checks(cloth: Cloth) -> list[Points]:
    half = PERIOD / 2
    corners = [
        ((column + shift) * PERIOD, (row + shift) * PERIOD)
        for row in _rows(cloth)
        for column in _columns(cloth)
        for shift in (0.0, 0.5)
    ]
    return [rectangle(u, v, u + half, v + half) for u, v in corners]


def _dots(cloth: Cloth) -> list[Points]:
    step, radius = 0.75 * PERIOD, 0.25 * PERIOD
    rows = range(int((cloth.top - radius) / step), int((cloth.bottom + radius) / step) + 1)
    centres = [((column + row % 2 / 2) * PERIOD, row * step) for row in rows for column in _columns(cloth)]
    return [ellipse(u, v, radius, radius, corners=16) for u, v in centres]


def _logo(cloth: Cloth) -> list[Points]:
    """Return a heart: the curve x = 16 sin³t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t."""
    if cloth.emblem is None:
        return []
    u, v, radius = cloth.emblem
    turn = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    x = 16.0 * np.sin(turn) ** 3
    y = 13.0 * np.cos(turn) - 5.0 * np.cos(2.0 * turn) - 2.0 * np.cos(3.0 * turn) - np.cos(4.0 * turn)
    return [np.stack([u + radius * x / 16.0, v - radius * (y + 2.0) / 16.0], axis=1)]


def _solid(cloth: Cloth) -> list[Points]:
    return []


_DRAWN = {
    "solid": _solid,
    "horizontal": _horizontal,
    "vertical": _vertical,
    "checks": _checks,
    "dots": _dots,
    "logo": _logo,
}


@lru_cache(maxsize=256)
def printed(pattern: str, cloth: Cloth) -> Points | None:
    """Return the polygons (polygons, corners, 2) of a pattern, a name of `garment.PATTERNS`, on the cloth.

    They do not overlap; None for a pattern without polygons.
    """
    shapes = _DRAWN[pattern](cloth)
    return np.stack(shapes) if shapes else None
