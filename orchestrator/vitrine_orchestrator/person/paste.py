"""Paste-back: outside the mask the person's own pixels, so that a try-on changes nothing it need not."""

import cv2
import numpy as np
from numpy.typing import NDArray

FEATHER = 1 / 128  # width of the blended rim inside the mask, as a share of the picture's longer side


def paste_back(
    result: NDArray[np.uint8], person: NDArray[np.uint8], mask: NDArray[np.uint8], feather: float = FEATHER
) -> NDArray[np.uint8]:
    """The result inside the mask, the person outside it, both (H, W, 3) uint8 RGB; mask (H, W) is 0/255.

    The rim is blended inside the mask only: every pixel outside it is the person's, exactly.
    """
    assert result.shape == person.shape, (result.shape, person.shape)
    assert mask.shape == person.shape[:2], (mask.shape, person.shape)
    inside = mask > 127
    if inside.all():
        return result.copy()
    depth = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    rim = max(1.0, feather * max(mask.shape))
    share = np.clip(depth / (rim + 1), 0, 1)[..., None]  # 0 on the first pixel outside, 1 beyond the rim
    pasted = person + share * (result.astype(np.float32) - person)
    return np.rint(pasted).astype(np.uint8)
