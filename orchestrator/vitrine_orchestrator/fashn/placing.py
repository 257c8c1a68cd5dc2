"""Places a picture of any shape on the network's canvas, and remembers where it lies."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.fashn.canvas import Size, on_canvas, shrunk
from vitrine_orchestrator.images.fitting import Box, Fit, Fitted, middle_box
from vitrine_orchestrator.pictures import Picture

MIN_SIDE = 64
"""Pixels of the shorter side below which no garment can be told from another."""
MAX_ASPECT = 8
"""The longer side in shorter sides, above which a picture is a strip on the canvas."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A picture on the canvas."""

    seen: Picture  # RGB at the size at which poses are found: at most the canvas's height in both directions
    fit: Fitted  # the canvas, and the way back to the original


def check_size(picture: Picture, name: str, canvas: Size) -> None:
    """BadRequest for a picture (H, W, 3) that is too small or too long; `name` is the input's.

    One that is as long as the canvas is never too small: it may have been shrunk to that.
    """
    height, width = picture.shape[:2]
    if min(width, height) < MIN_SIDE and max(width, height) < canvas[1]:
        raise BadRequest(f"{name} must be at least {MIN_SIDE}x{MIN_SIDE} px, got {width}x{height}")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise BadRequest(
            f"{name} must be at most {MAX_ASPECT} times as long in one direction as in the other, "
            f"got {width}x{height}"
        )


def placed(picture: Picture, canvas: Size, how: Fit) -> Placed:
    """A picture (H, W, 3) uint8 RGB on a canvas (width, height).

    "fit" pads with black; "crop" takes the middle in the canvas's aspect ratio; "squash" stretches it.
    """
    taken: Box = (0, 0, picture.shape[1], picture.shape[0])
    if how == "crop":
        taken = middle_box(picture.shape[1], picture.shape[0], *canvas)
    part = picture[taken[1] : taken[3], taken[0] : taken[2]]
    seen = _stretched(part, canvas) if how == "squash" else shrunk(part, canvas[1])
    on, place = on_its_canvas(seen, canvas)
    return Placed(seen, Fitted(on, picture, taken, place))


def on_its_canvas(seen: np.ndarray, canvas: Size, *, pose: bool = False) -> tuple[np.ndarray, Box]:
    """A picture of the first size on the canvas, and the box in which it lies there."""
    on, padding = on_canvas(seen, canvas, pose=pose)
    return on, (padding.left, padding.top, canvas[0] - padding.right, canvas[1] - padding.bottom)


def cut(canvas: np.ndarray, place: Box) -> np.ndarray:
    """The part of a canvas (H, W, …) that shows the picture."""
    left, top, right, bottom = place
    return canvas[top:bottom, left:right]


def _stretched(picture: Picture, size: Size) -> Picture:
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    shrinks = picture.shape[1] > size[0] or picture.shape[0] > size[1]
    return np.asarray(
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4)
    )
