"""The caller's own mask of the pixels to repaint, used instead of the computed mask."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from vitrine.errors import BadRequest

from vitrine_orchestrator.images.fitting import Fit, Fitted, fitted
from vitrine_orchestrator.pictures import Picture

Mask = NDArray[np.uint8]  # (height, width), 255 is painted and 0 is kept


class OwnMask(NamedTuple):
    """A caller's mask in two sizes."""

    fitted: Mask  # at the checkpoint's size, 0 outside the picture
    original: Mask  # at the size of the person's picture; at its own size when only the person's id was sent


def own_mask(picture: Picture, person: Fitted | None, width: int, height: int, how: Fit) -> OwnMask:
    """The mask in a picture (h, w, 3) of any size: pixels above middle grey (127) are repainted.

    The mask is stretched to the size of the person's picture and fitted like it; without that picture the
    mask itself is fitted. Raises BadRequest for a mask that paints nothing or everything.
    """
    grey = Image.fromarray(picture).convert("L")
    if person is not None:
        grey = grey.resize((person.original.shape[1], person.original.shape[0]), Image.Resampling.BILINEAR)
    original = _cut(np.asarray(grey))
    _check(original, "")
    place = person or fitted(np.repeat(original[..., None], 3, 2), width, height, how)
    left, top, right, bottom = place.placed
    part = Image.fromarray(original).crop(place.taken)
    small = _cut(np.asarray(part.resize((right - left, bottom - top), Image.Resampling.BICUBIC)))
    _check(small, " where the picture is used")
    canvas = np.zeros((height, width), np.uint8)
    canvas[top:bottom, left:right] = small
    used = np.zeros_like(original)
    box = np.s_[place.taken[1] : place.taken[3], place.taken[0] : place.taken[2]]
    used[box] = original[box]
    return OwnMask(canvas, used)


def _cut(grey: NDArray[np.uint8]) -> Mask:
    return np.where(grey > 127, np.uint8(255), np.uint8(0))


def _check(mask: Mask, where: str) -> None:
    if not mask.any():
        raise BadRequest(f"mask must have white where the garment goes, got black everywhere{where}")
    if mask.all():
        raise BadRequest(
            f"mask must have black where the picture stays, got white everywhere{where}: "
            "transparent counts as white"
        )
