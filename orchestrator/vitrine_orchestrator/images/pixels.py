"""Converts between pictures and the numbers of a VAE, without the batch dimension."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def signed(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A picture (H, W, 3) uint8 RGB as (3, H, W) float32 in [-1, 1]."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1) / np.float32(127.5) - np.float32(1))


def picture_of(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture (H, W, 3) uint8 RGB of finite numbers (3, H, W), nominally in [-1, 1]; others are cut."""
    levels = pixels * np.float32(127.5)
    levels += np.float32(127.5)
    np.rint(levels, out=levels)
    np.minimum(np.maximum(levels, 0, out=levels), 255, out=levels)  # np.clip takes four times as long
    return cv2.merge(list(levels.astype(np.uint8)))
