"""The image encoder's input: the defaults of transformers' CLIPImageProcessor, in Pillow."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MEAN = np.array((0.48145466, 0.4578275, 0.40821073), np.float32)  # mean of CLIP's training pictures, RGB
STD = np.array((0.26862954, 0.26130258, 0.27577711), np.float32)


def pixel_values(picture: NDArray[np.uint8], size: int = 224) -> NDArray[np.float32]:
    """The normalised pixels (3, size, size) float32 of a picture (H, W, 3) uint8 RGB.

    The shorter side is resized to `size`, bicubically, and the middle square is kept: a 3:4 garment loses an
    eighth of its height above and below.
    """
    height, width = picture.shape[:2]
    shorter = min(height, width)
    resized_width, resized_height = size * width // shorter, size * height // shorter
    resized = Image.fromarray(picture).resize((resized_width, resized_height), Image.Resampling.BICUBIC)
    left, top = (resized_width - size) // 2, (resized_height - size) // 2
    square = np.asarray(resized, np.float32)[top : top + size, left : left + size]
    return np.ascontiguousarray(((square / np.float32(255) - MEAN) / STD).transpose(2, 0, 1))


def no_picture(size: int = 224) -> NDArray[np.float32]:
    """The pixel values of the unconditional half: (3, size, size) float32 zeros."""
    return np.zeros((3, size, size), np.float32)
