"""Boxes around regions of a picture."""

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice]  # rows, columns


def box_around(marked: NDArray[np.uint8], margin: int = 0) -> Box | None:
    """The smallest box around the non-zero pixels of (H, W) uint8, with `margin` pixels more in the picture.

    None when all pixels are 0.
    """
    left, top, width, height = cv2.boundingRect(marked)
    if not width:
        return None
    rows = slice(max(0, top - margin), top + height + margin)
    return rows, slice(max(0, left - margin), left + width + margin)
