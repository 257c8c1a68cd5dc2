"""Outlines in centi-pictures: x to the right, y up, 100 is the side of the picture; float64 arrays (n, 2)."""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

CORNER_STEPS = 5
"""Corners that stand for the quarter circle of a rounded box."""


def polygon(*points: tuple[float, float]) -> Points:
    """Return the corners as an array."""
    return np.array(points, np.float64)


def box(left: float, low: float, right: float, high: float, corner: float = 0.0) -> Points:
    """Return a rectangle with sides along the axes; `corner` is the radius of its corners."""
    if not corner:
        return polygon((left, low), (right, low), (right, high), (left, high))
    centres = (
        (right - corner, low + corner, -90.0),
        (right - corner, high - corner, 0.0),
        (left + corner, high - corner, 90.0),
        (left + corner, low + corner, 180.0),
    )
    arcs = [_arc(start, start + 90.0, CORNER_STEPS) * corner + (x, y) for x, y, start in centres]
    return np.concatenate(arcs)


def oval(
    x: float, y: float, across: float, along: float = 0.0, start: float = 0.0, stop: float = 360.0
) -> Points:
    """Return an ellipse, or an arc of it in degrees anticlockwise; `along` 0 means a circle."""
    steps = max(8, round((stop - start) / 12.0))
    return _arc(start, stop, steps) * (across, along or across) + (x, y)


def ring(
    x: float,
    y: float,
    across: float,
    along: float,
    width: float,
    start: float = 0.0,
    stop: float = 360.0,
) -> Points:
    """Return a band of `width` along an ellipse or a part of it; the half axes are those of its middle."""
    arc = _arc(start, stop, max(10, round((stop - start) / 12.0)), closed=True)
    half = width / 2.0
    outer, inner = (arc * (across + side, along + side) for side in (half, -half))
    return moved(np.concatenate([outer, inner[::-1]]), x, y)


def turned(*profile: tuple[float, float]) -> Points:
    """Return the outline that is symmetric to x = 0; `profile` is its right half, from bottom to top."""
    half = polygon(*profile)
    return np.concatenate([half, half[::-1] * (-1.0, 1.0)])


def smooth(*points: tuple[float, float], steps: int = 4) -> Points:
    """Return a closed Catmull-Rom curve through the points."""
    knots = polygon(*points)
    before, after, beyond = (np.roll(knots, -shift, axis=0) for shift in (-1, 1, 2))
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None, None]
    slope = after - before
    bend = 2.0 * before - 5.0 * knots + 4.0 * after - beyond
    twist = -before + 3.0 * knots - 3.0 * after + beyond
    curve = 0.5 * (2.0 * knots + slope * t + bend * t**2 + twist * t**3)
    return curve.swapaxes(0, 1).reshape(-1, 2)


def stroke(width: float, *points: tuple[float, float]) -> Points:
    """Return a band of `width` along the points, with flat ends."""
    path = polygon(*points)
    steps = np.diff(path, axis=0)
    steps /= np.hypot(steps[:, 0], steps[:, 1])[:, None]
    along = np.concatenate([steps[:1], (steps[:-1] + steps[1:]) / 2.0, steps[-1:]])
    across = along[:, ::-1] * (-width / 2.0, width / 2.0)
    return np.concatenate([path + across, (path - across)[::-1]])


def star(x: float, y: float, radius: float, points: int = 5, inner: float = 0.45) -> Points:
    """Return a star with one point up; `inner` is the radius between its points as a share of `radius`."""
    turn = np.radians(90.0 + np.arange(2 * points) * 180.0 / points)
    reach = np.where(np.arange(2 * points) % 2, inner, 1.0) * radius
    return np.stack([np.cos(turn) * reach + x, np.sin(turn) * reach + y], axis=1)


def moved(outline: Points, x: float, y: float, scale: float = 1.0) -> Points:
    """Return the outline scaled about the origin, then moved."""
    return outline * scale + (x, y)


def _arc(start: float, stop: float, steps: int, closed: bool = False) -> Points:
    """Return corners on the unit circle; an arc includes its end."""
    turn = np.radians(np.linspace(start, stop, steps, endpoint=closed or stop - start < 360.0))
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)
