"""Paste-back: outside the mask the person's own pixels, so that a try-on changes nothing it need not."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.images.region import Box, box_around

FEATHER = 1 / 128  # width of the blended rim inside the mask, as a share of the picture's longer side


@dataclass(frozen=True, eq=False)
class Seam:
    """Where and how much of a result is taken; it depends on the mask alone."""

    shape: tuple[int, ...]  # the mask's
    box: Box  # around the mask and one pixel more
    share: NDArray[np.float32]  # (h, w, 1) of the box: 0 outside the mask, 1 inside it beyond the rim


def seam_of(mask: NDArray[np.uint8]) -> Seam:
    """The seam of a mask (H, W) 0/255. The rim is blended inside the mask only."""
    box = box_around(mask, margin=1)  # nothing beyond it matters to the blend
    if box is None:
        return Seam(mask.shape, (slice(0), slice(0)), np.zeros((0, 0, 1), np.float32))
    inside = (mask[box] > 127).astype(np.uint8)
    if inside.all():  # no kept pixel to blend with
        return Seam(mask.shape, box, inside[..., None].astype(np.float32))
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    rim = max(1.0, FEATHER * max(mask.shape))
    return Seam(mask.shape, box, np.clip(depth / np.float32(rim + 1), 0, 1)[..., None])


def pasted(result: NDArray[np.uint8], person: NDArray[np.uint8], seam: Seam) -> NDArray[np.uint8]:
    """The result inside the mask, the person outside it, both (H, W, 3) uint8 RGB of the mask's size.

    Every pixel outside the mask is the person's, exactly.
    """
    assert result.shape == person.shape, (result.shape, person.shape)
    assert seam.shape == person.shape[:2], (seam.shape, person.shape)
    picture, box = person.copy(), seam.box
    picture[box] = np.rint(person[box] + seam.share * (result[box].astype(np.float32) - person[box]))
    return picture
