"""Where in a picture something is."""

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice]  # rows, columns


def box_around(marked: NDArray[np.uint8], margin: int = 0) -> Box | None:
    """The smallest box around what is not 0 in (H, W) uint8, and `margin` pixels more within the picture.

    None where all is 0.
    """
    left, top, width, height = cv2.boundingRect(marked)
    if not width:
        return None
    rows = slice(max(0, top - margin), top + height + margin)
    return rows, slice(max(0, left - margin), left + width + margin)
