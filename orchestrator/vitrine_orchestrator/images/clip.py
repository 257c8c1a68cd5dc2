"""The image encoder's input: the defaults of transformers' CLIPImageProcessor, in Pillow."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)  # mean of CLIP's training pictures, RGB
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)

REACH = 3  # rows around a row that bicubic looks at
LONG = 8
"""The longer side in shorter sides, above which a picture is not resized whole: it could be millions wide."""


def pixel_values(picture: NDArray[np.uint8], size: int = 224) -> NDArray[np.float32]:
    """The normalised pixels (3, size, size) float32 of a picture (H, W, 3) uint8 RGB.

    The shorter side is resized to `size`, bicubically, and the middle square is kept: a 3:4 garment loses an
    eighth of its height above and below. Of a long picture only the square is resized, within a level of 255.
    """
    height, width = picture.shape[:2]
    shorter = min(height, width)
    resized_width, resized_height = size * width // shorter, size * height // shorter
    left, top = (resized_width - size) // 2, (resized_height - size) // 2
    if max(height, width) > LONG * shorter:
        across, down = width / resized_width, height / resized_height
        box = left * across, top * down, (left + size) * across, (top + size) * down
        square = np.asarray(_part(picture, box, size), np.float32)
    else:
        resized = Image.fromarray(picture).resize((resized_width, resized_height), Image.Resampling.BICUBIC)
        square = np.asarray(resized, np.float32)[top : top + size, left : left + size]
    return np.ascontiguousarray(((square / np.float32(255) - MEAN) / STD).transpose(2, 0, 1))


def _part(picture: NDArray[np.uint8], box: tuple[float, float, float, float], size: int) -> Image.Image:
    """A square part of a picture in `size` pixels, in the order in which Pillow resizes a whole picture.

    Pillow cuts at 0 and 255 after each direction: enlarged, columns come first.
    """
    left, top, right, bottom = box
    if bottom - top > size:
        return Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC, box)
    first = max(0, math.floor(top) - REACH)
    rows = picture[first : math.ceil(bottom) + REACH]
    bicubic = Image.Resampling.BICUBIC
    narrow = Image.fromarray(rows).resize((size, len(rows)), bicubic, (left, 0, right, len(rows)))
    return narrow.resize((size, size), bicubic, (0, top - first, size, bottom - first))


def no_picture(size: int = 224) -> NDArray[np.float32]:
    """The pixel values of the unconditional half: (3, size, size) float32 zeros."""
    return np.zeros((3, size, size), np.float32)
