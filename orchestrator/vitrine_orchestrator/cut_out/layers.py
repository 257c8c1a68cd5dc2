"""From what a network found to a picture with its alpha: the whole picture, or the product alone."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.cut_out.alphas import check_product
from vitrine_orchestrator.cut_out.doubts import Found
from vitrine_orchestrator.cut_out.letterbox import resized
from vitrine_orchestrator.cut_out.request import CutOutRequest
from vitrine_orchestrator.images.region import Box, box_around
from vitrine_orchestrator.pictures import Picture

SEEN = 1 / 255
"""The least alpha of what counts as the product's own place."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A picture and the product's alpha in it."""

    picture: Picture  # (height, width, 3)
    alpha: NDArray[np.uint8]  # (height, width)
    shown: Box  # the part that the answer has; colours at its rim depend on pixels around it


def whole(request: CutOutRequest, found: Found) -> Layer:
    """All of the picture: alpha is 0 outside the box, and where the picture was transparent."""
    alpha = np.zeros(request.picture.shape[:2], np.uint8)
    part = alpha[request.part]
    part[...] = _levels(found, *part.shape)
    if request.sent_alpha is not None:
        alpha = np.minimum(alpha, request.sent_alpha)
        _check_seen(alpha[request.part])
    return Layer(request.picture, alpha, (slice(None), slice(None)))


def alone(request: CutOutRequest, found: Found, side: int) -> Layer:
    """The product cut to its box, at most `side` pixels on its longer side; it is never enlarged.

    The picture is scaled down before anything is computed of its pixels.
    """
    picture = request.picture[request.part]
    sent = None if request.sent_alpha is None else request.sent_alpha[request.part]
    height, width = _size(found, picture.shape[0], picture.shape[1], side)
    if (height, width) != picture.shape[:2]:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        sent = None if sent is None else cv2.resize(sent, (width, height), interpolation=cv2.INTER_AREA)
    alpha = _levels(found, height, width)
    if sent is not None:
        alpha = np.minimum(alpha, sent)
        _check_seen(alpha)
    box = box_around(alpha) or (slice(height), slice(width))
    return Layer(picture, alpha, box)


def _check_seen(alpha: NDArray[np.uint8]) -> None:
    """BadRequest where too little of what was found is opaque in the picture that was sent."""
    check_product(alpha.astype(np.float32) / np.float32(255), " where it is not transparent")


def _size(found: Found, height: int, width: int, side: int) -> tuple[int, int]:
    """The picture's size at which the product is as large as `side` allows."""
    box = box_around((found >= SEEN).astype(np.uint8))
    assert box is not None, "alpha_of refuses a mask without a product"
    around = ((one.stop - one.start + 2) / of for one, of in zip(box, found.shape, strict=True))
    longer = max(share * of for share, of in zip(around, (height, width), strict=True))
    scale = min(1.0, (side - 1) / longer)  # interpolation widens the box, and rounding
    return max(1, round(scale * height)), max(1, round(scale * width))


def _levels(found: Found, height: int, width: int) -> NDArray[np.uint8]:
    return np.rint(resized(found, height, width) * 255).astype(np.uint8)
