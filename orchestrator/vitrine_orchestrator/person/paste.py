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
    pasted = person.copy()
    if not mask.any():
        return pasted
    box = _box_around(mask)
    inside = (mask[box] > 127).astype(np.uint8)
    if inside.all():  # no kept pixel to blend with
        pasted[box] = result[box]
        return pasted
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    rim = max(1.0, feather * max(mask.shape))
    share = np.clip(depth / np.float32(rim + 1), 0, 1)[..., None]  # 0 outside the mask, 1 beyond the rim
    pasted[box] = np.rint(person[box] + share * (result[box].astype(np.float32) - person[box]))
    return pasted


def _box_around(mask: NDArray[np.uint8]) -> tuple[slice, slice]:
    """The mask's bounding box and one pixel around it: nothing beyond it matters to the blend."""
    left, top, width, height = cv2.boundingRect(mask)
    return slice(max(0, top - 1), top + height + 1), slice(max(0, left - 1), left + width + 1)
