"""Polygons and coordinate frames; points are float64 arrays (n, 2) of x and y."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """A coordinate frame in a plane: `origin` (2,), and its unit vectors as the rows of `axes` (2, 2)."""

    origin: Points
    axes: Points

    def place(self, points: Points) -> Points:
        """Convert points (n, 2) from this frame's (u, v) to the plane's (x, y)."""
        return self.origin + points @ self.axes


def polygon(*points: tuple[float, float]) -> Points:
    """Return the corners as an array (n, 2)."""
    return np.array(points, np.float64)


def rectangle(left: float, top: float, right: float, bottom: float) -> Points:
    """Return the four corners of a rectangle with sides along the axes."""
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def mirrored(half: Points) -> Points:
    """Return the outline that is symmetric to x = 0; `half` is the part at x >= 0, from top to bottom."""
    return np.concatenate([half, half[::-1] * (-1.0, 1.0)])


@lru_cache(maxsize=64)
def _arc(start: float, stop: float, corners: int) -> Points:
    """Return corners on the unit circle; degrees run clockwise from the right."""
    turn = np.radians(np.linspace(start, stop, corners, endpoint=stop - start < 360.0))
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def ellipse(
    x: float,
    y: float,
    across: float,
    along: float,
    start: float = 0.0,
    stop: float = 360.0,
    corners: int = 28,
) -> Points:
    """Return corners on an ellipse or an arc of it; `across` and `along` are the half axes.

    `start` and `stop` are in degrees, clockwise from the right.
    """
    return _arc(start, stop, corners) * (across, along) + (x, y)


def limb_frame(top: Points, bottom: Points, start: float = 0.0) -> Frame:
    """Return the frame of a limb: u across it with 0 on its axis, v along it with `start` at `top`."""
    along = (bottom - top) / np.hypot(*(bottom - top))
    return Frame(top - start * along, np.array([(along[1], -along[0]), along]))


def limb(
    top: Points, bottom: Points, top_radius: float, bottom_radius: float, round_end: bool = True
) -> Points:
    """Return the outline of a tapering limb, round at the top and optionally at the bottom."""
    length = float(np.hypot(*(bottom - top)))
    head = ellipse(0.0, 0.0, top_radius, top_radius, 180.0, 360.0, corners=12)
    if round_end:
        tail = ellipse(0.0, length, bottom_radius, bottom_radius, 0.0, 180.0, corners=12)
    else:
        tail = polygon((bottom_radius, length), (-bottom_radius, length))
    return limb_frame(top, bottom).place(np.concatenate([head, tail]))
