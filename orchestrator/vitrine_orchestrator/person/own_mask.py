"""The caller's own mask: which pixels of the person are painted, in place of the mask that is found."""

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

    fitted: Mask  # of the checkpoint's size, 0 beyond the picture
    original: Mask  # of the person's picture; of the mask's own size where only the person's id was sent


def own_mask(picture: Picture, person: Fitted | None, width: int, height: int, how: Fit) -> OwnMask:
    """The mask in a picture (h, w, 3) of any size: white is painted, from the middle grey on.

    It is stretched over the person's picture and then fitted with it; without that picture it is fitted by
    itself. Raises BadRequest for a mask that paints nothing or everything.
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
