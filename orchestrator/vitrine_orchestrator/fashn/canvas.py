"""From a picture of any size to the network's canvas, and back.

Two resizes: the first only shrinks, and poses, labels and masks are made at its size; the second fits the
canvas, up or down, and pads with black.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

Size = tuple[int, int]
"""(width, height) in px."""

CANVAS: Size = (576, 864)
BYTE_MIDDLE = 127.5  # bytes 0 and 255 are -1 and 1 of the network


def first_size(size: Size, side: int = CANVAS[1]) -> Size:
    """The size at which poses are found: at most `side` in both directions, never enlarged."""
    width, height = size
    if width <= side and height <= side:
        return size
    scale = min(side / width, side / height)
    return int(scale * width), int(scale * height)


def second_size(size: Size, canvas: Size = CANVAS) -> Size:
    """The size on the canvas: as large as it fits. Truncation can miss the canvas by a pixel."""
    scale = min(canvas[0] / size[0], canvas[1] / size[1])
    return int(scale * size[0]), int(scale * size[1])


@dataclass(frozen=True)
class Padding:
    """Black pixels around the picture on the canvas."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def of(cls, size: Size, canvas: Size = CANVAS) -> Padding:
        """Half of the rest on each side; the odd pixel goes right and below."""
        rest_x, rest_y = canvas[0] - size[0], canvas[1] - size[1]
        return cls(rest_x // 2, rest_y // 2, rest_x - rest_x // 2, rest_y - rest_y // 2)

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The canvas (H, W, …) without its padding."""
        height, width = picture.shape[:2]
        return picture[self.top : height - self.bottom, self.left : width - self.right]


def shrunk(picture: np.ndarray, side: int = CANVAS[1]) -> np.ndarray:
    """The first resize of an RGB picture (H, W, 3) uint8, by Lanczos of Pillow."""
    size = picture.shape[1], picture.shape[0]
    wanted = first_size(size, side)
    if wanted == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(wanted, Image.Resampling.LANCZOS))


def on_canvas(
    picture: np.ndarray, canvas: Size = CANVAS, *, pose: bool = False
) -> tuple[np.ndarray, Padding]:
    """The second resize and the padding of (H, W) or (H, W, 3) uint8; a pose keeps its exact grey values."""
    size = picture.shape[1], picture.shape[0]
    wanted = second_size(size, canvas)
    if wanted != size:
        scale = min(canvas[0] / size[0], canvas[1] / size[1])
        photo = cv2.INTER_AREA if scale < 1 else cv2.INTER_LANCZOS4
        method = cv2.INTER_NEAREST_EXACT if pose else photo
        picture = cv2.resize(picture, wanted, interpolation=method)
    padding = Padding.of(wanted, canvas)
    sides = padding.top, padding.bottom, padding.left, padding.right
    return cv2.copyMakeBorder(picture, *sides, cv2.BORDER_CONSTANT, value=0), padding


def as_tensor(picture: np.ndarray) -> np.ndarray:
    """uint8 (H, W) or (H, W, 3) as the network's float32 (1 or 3, H, W) in -1…1."""
    planes = picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)
    return (planes.astype(np.float32) / np.float32(BYTE_MIDDLE) - 1).astype(np.float32)


def as_picture(state: np.ndarray) -> np.ndarray:
    """A finished state (3, H, W) as RGB uint8 (H, W, 3): clamped to -1…1 and truncated, not rounded."""
    shares = (np.clip(state, -1, 1).astype(np.float32) + np.float32(1)) / np.float32(2)
    return (shares * np.float32(255)).astype(np.uint8).transpose(1, 2, 0)
