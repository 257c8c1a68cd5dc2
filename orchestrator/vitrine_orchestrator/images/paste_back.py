"""Pastes a result back into the person's picture: all pixels outside the mask stay as they were."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.images.region import Box, box_around

FEATHER = 1 / 128  # width of the blended rim inside the mask, as a share of the picture's longer side


@dataclass(frozen=True, eq=False)
class Seam:
    """The share of a result in each pixel when it is blended into a picture. It depends only on the mask."""

    shape: tuple[int, ...]  # the mask's
    box: Box  # around the mask, with a margin of one pixel
    share: NDArray[np.float32]  # (h, w, 1) of the box: 0 outside the mask, 1 inside, between in the rim


def seam_of(mask: NDArray[np.uint8]) -> Seam:
    """The seam of a mask (H, W) 0/255. Only a rim inside the mask is blended."""
    box = box_around(mask, margin=1)  # pixels outside it do not affect the blend
    if box is None:
        return Seam(mask.shape, (slice(0), slice(0)), np.zeros((0, 0, 1), np.float32))
    inside = (mask[box] > 127).astype(np.uint8)
    if inside.all():  # no kept pixel to blend with
        return Seam(mask.shape, box, inside[..., None].astype(np.float32))
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    rim = max(1.0, FEATHER * max(mask.shape))
    return Seam(mask.shape, box, np.clip(depth / np.float32(rim + 1), 0, 1)[..., None])


def pasted(result: NDArray[np.uint8], person: NDArray[np.uint8], seam: Seam) -> NDArray[np.uint8]:
    """The result blended into the person's picture; all are (H, W, 3) uint8 RGB of the mask's size.

    Every pixel outside the mask equals the person's exactly.
    """
    assert result.shape == person.shape, (result.shape, person.shape)
    assert seam.shape == person.shape[:2], (seam.shape, person.shape)
    picture, box = person.copy(), seam.box
    picture[box] = np.rint(person[box] + seam.share * (result[box].astype(np.float32) - person[box]))
    return picture
