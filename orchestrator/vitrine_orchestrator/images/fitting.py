"""Fitting a picture of any shape to the checkpoint's size, and the result back to the picture.

"fit" keeps the aspect and centres the picture on white; "crop" takes the middle of it in the checkpoint's
aspect and later pastes the result there (the released demo's auto-crop); "squash" stretches it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from vitrine.errors import BadRequest

from vitrine_orchestrator.pictures import Picture

Fit = Literal["fit", "crop", "squash"]
FITS: tuple[Fit, ...] = ("fit", "crop", "squash")
Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two just outside


@dataclass(frozen=True, eq=False)
class Fitted:
    """A picture at the checkpoint's size, and where its pixels came from."""

    picture: Picture  # (height, width, 3) of the checkpoint
    original: Picture
    taken: Box  # of the original: what `placed` shows
    placed: Box  # of `picture`: the rest is white

    def restore(self, result: Picture) -> Picture:
        """A result of `picture`'s size at the original's, pasted into a copy of it over `taken`."""
        return self._pasted(self._cut(result, Image.Resampling.BICUBIC), self.original)

    def restore_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask (height, width) 0/255 at the original's size, 0 beyond `taken`."""
        grown = np.where(self._cut(mask, Image.Resampling.BILINEAR) > 127, np.uint8(255), np.uint8(0))
        return self._pasted(grown, np.zeros(self.original.shape[:2], np.uint8))

    def point(self, x: int, y: int) -> tuple[int, int]:
        """Where a pixel of the original is in `picture`; BadRequest where crop has left it out."""
        left, top, right, bottom = self.taken
        if not (left <= x < right and top <= y < bottom):
            raise BadRequest(f"person_point must lie in what crop keeps, {self.taken}, got {x}, {y}")
        start_x, start_y, end_x, end_y = self.placed
        across = (x + 0.5 - left) / (right - left) * (end_x - start_x)
        down = (y + 0.5 - top) / (bottom - top) * (end_y - start_y)
        return start_x + int(across), start_y + int(down)

    def _cut(self, result: NDArray[np.uint8], how: Image.Resampling) -> NDArray[np.uint8]:
        """The placed part of a result, at the size of `taken`."""
        left, top, right, bottom = self.taken
        return np.asarray(Image.fromarray(result).resize((right - left, bottom - top), how, box=self.placed))

    def _pasted(self, part: NDArray[np.uint8], ground: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A copy of `ground` with `part` over `taken`."""
        left, top, right, bottom = self.taken
        whole = ground.copy()
        whole[top:bottom, left:right] = part
        return whole


def fitted(picture: Picture, width: int, height: int, how: Fit) -> Fitted:
    """The picture (H, W, 3) uint8 RGB at width×height; BadRequest for an unknown word."""
    if how not in FITS:
        raise BadRequest(f"crop must be one of {', '.join(FITS)}, got {how!r}")
    size = picture.shape[1], picture.shape[0]
    taken, placed = (0, 0, *size), (0, 0, width, height)
    if how == "crop":
        taken = _middle(*size, width, height)
    elif how == "fit":
        placed = _inside(*size, width, height)
    left, top, right, bottom = placed
    part = Image.fromarray(picture).crop(taken)
    shrunk = part.resize((right - left, bottom - top), Image.Resampling.BICUBIC)
    canvas = np.full((height, width, 3), 255, np.uint8)
    canvas[top:bottom, left:right] = np.asarray(shrunk)
    return Fitted(canvas, picture, taken, placed)


def _middle(picture_width: int, picture_height: int, width: int, height: int) -> Box:
    """The largest box of the aspect width:height in the picture's middle; uneven rests go right and below."""
    box_width = max(1, min(picture_width, picture_height * width // height))
    box_height = max(1, min(picture_height, picture_width * height // width))
    left, top = (picture_width - box_width) // 2, (picture_height - box_height) // 2
    return left, top, left + box_width, top + box_height


def _inside(picture_width: int, picture_height: int, width: int, height: int) -> Box:
    """Where the whole picture lies when it just fits into width×height, centred."""
    scale = min(width / picture_width, height / picture_height)
    placed_width = min(width, max(1, round(picture_width * scale)))
    placed_height = min(height, max(1, round(picture_height * scale)))
    left, top = (width - placed_width) // 2, (height - placed_height) // 2
    return left, top, left + placed_width, top + placed_height
