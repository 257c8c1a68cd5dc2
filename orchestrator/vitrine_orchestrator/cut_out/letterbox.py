"""Fits a picture into a network's square without changing its proportions, and the answer back to it.

The rest of the square repeats the picture's edge. A white or grey rest makes a frame, and networks for
salient objects then find the whole picture instead of the product: see docs/decisions.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_orchestrator.pictures import Picture

REDUCING_GAP = 3.0
"""Pictures larger than this many times the square are first reduced by whole factors, which is faster."""


@dataclass(frozen=True, eq=False)
class Letterbox:
    """A picture in the middle of a square."""

    square: Picture  # (side, side, 3)
    height: int  # of the picture, in pixels
    width: int
    rows: slice  # the part of the square that shows the picture
    columns: slice

    def shown(self, answer: NDArray[np.float32]) -> NDArray[np.float32]:
        """The part of values (side, side) of the square that shows the picture."""
        return answer[self.rows, self.columns]

    def restored(self, answer: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values (side, side) of the square at the picture's size, (height, width)."""
        return resized(self.shown(answer), self.height, self.width)


def resized(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Values (rows, columns) at another size; a sharper kernel would ring at the product's edge."""
    how = cv2.INTER_AREA if height < values.shape[0] else cv2.INTER_LINEAR
    return cv2.resize(values, (width, height), interpolation=how)


def letterboxed(picture: Picture, side: int) -> Letterbox:
    """A picture (height, width, 3) in a square of `side` pixels; its longer side becomes the square's."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (side - inner_height) // 2, (side - inner_width) // 2
    resized = Image.fromarray(picture).resize(
        (inner_width, inner_height), Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP
    )
    square = cv2.copyMakeBorder(
        np.asarray(resized),
        top,
        side - inner_height - top,
        left,
        side - inner_width - left,
        cv2.BORDER_REPLICATE,
    )
    rows, columns = slice(top, top + inner_height), slice(left, left + inner_width)
    return Letterbox(square, height, width, rows, columns)


def normalised(
    square: Picture, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> NDArray[np.float32]:
    """A picture (side, side, 3) uint8 as the network's (3, side, side): (colour / 255 - mean) / std.

    Colours are divided by 255 and not by the picture's largest value, which would brighten dark pictures.
    """
    colours = square.astype(np.float32) / np.float32(255)
    scaled = (colours - np.array(mean, np.float32)) / np.array(std, np.float32)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))
