"""Fits a picture of any shape to the checkpoint's size, and a result back to the picture.

"fit" keeps the aspect ratio and centres the picture on white. "crop" takes the middle of the picture in the
checkpoint's aspect ratio and pastes the result there (the released demo's auto-crop). "squash" stretches it.
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
Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are exclusive


@dataclass(frozen=True, eq=False)
class Fitted:
    """A picture at the checkpoint's size, and the boxes that map it to the original."""

    picture: Picture  # (height, width, 3) of the checkpoint
    original: Picture
    taken: Box  # the part of the original that `placed` shows
    placed: Box  # the part of `picture` that shows the original; the rest is white

    def restore(self, result: Picture) -> Picture:
        """A copy of the original in which `taken` shows a result of `picture`'s size."""
        return self._pasted(self._cut(result, Image.Resampling.BICUBIC), self.original)

    def restore_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A mask (height, width) 0/255 resized to the original's size; 0 outside `taken`."""
        grown = np.where(self._cut(mask, Image.Resampling.BILINEAR) > 127, np.uint8(255), np.uint8(0))
        return self._pasted(grown, np.zeros(self.original.shape[:2], np.uint8))

    def point(self, x: int, y: int) -> tuple[int, int]:
        """The pixel of `picture` that shows a pixel of the original; BadRequest when crop has removed it."""
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
        """A copy of `ground` in which `taken` is `part`."""
        left, top, right, bottom = self.taken
        whole = ground.copy()
        whole[top:bottom, left:right] = part
        return whole


def fitted(picture: Picture, width: int, height: int, how: Fit) -> Fitted:
    """The picture (H, W, 3) uint8 RGB fitted to width×height; BadRequest for an unknown `how`."""
    if how not in FITS:
        raise BadRequest(f"crop must be one of {', '.join(FITS)}, got {how!r}")
    size = picture.shape[1], picture.shape[0]
    taken, placed = (0, 0, *size), (0, 0, width, height)
    if how == "crop":
        taken = middle_box(*size, width, height)
    elif how == "fit":
        placed = _inside(*size, width, height)
    left, top, right, bottom = placed
    part = Image.fromarray(picture).crop(taken)
    shrunk = part.resize((right - left, bottom - top), Image.Resampling.BICUBIC)
    canvas = np.full((height, width, 3), 255, np.uint8)
    canvas[top:bottom, left:right] = np.asarray(shrunk)
    return Fitted(canvas, picture, taken, placed)


def middle_box(picture_width: int, picture_height: int, width: int, height: int) -> Box:
    """The largest centred box of aspect ratio width:height; an odd pixel is left over right or below."""
    box_width = max(1, min(picture_width, picture_height * width // height))
    box_height = max(1, min(picture_height, picture_width * height // width))
    left, top = (picture_width - box_width) // 2, (picture_height - box_height) // 2
    return left, top, left + box_width, top + box_height


def _inside(picture_width: int, picture_height: int, width: int, height: int) -> Box:
    """The centred box of the whole picture when it is scaled to fit into width×height."""
    scale = min(width / picture_width, height / picture_height)
    placed_width = min(width, max(1, round(picture_width * scale)))
    placed_height = min(height, max(1, round(picture_height * scale)))
    left, top = (width - placed_width) // 2, (height - placed_height) // 2
    return left, top, left + placed_width, top + placed_height
