"""Paints a placed block on a picture, and sees to it that it can be read.

Layers, from the back: background, shadow, scrim, outline, ink. They are blended in linear light, so that a
scrim's strength is what the contrast's arithmetic says. Pixels that no layer touches keep their values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest

from vitrine_orchestrator.images.bands import bands
from vitrine_orchestrator.lettering.effects import Outline
from vitrine_orchestrator.lettering.fitting import Block
from vitrine_orchestrator.lettering.masks import Canvas, Drawn, Mask, mask_of, moved, soft
from vitrine_orchestrator.lettering.options import TextOptions
from vitrine_orchestrator.placing.boxes import Box
from vitrine_orchestrator.placing.contrast import (
    BLACK,
    ENOUGH,
    INKS,
    WHITE,
    Colour,
    Contrast,
    Need,
    Scrim,
    best_ink,
    contrast,
    levels,
    linear,
    luminance,
    luminance_of,
    needed,
    scrim_for,
)

Pixels = NDArray[np.uint8]
Method = Literal["colour", "scrim", "outline", "given"]
"""How the contrast was reached: by the colour alone, a scrim, an outline; or it was left as given."""
SCRIM_REACH, SCRIM_BLUR = 0.45, 0.12
"""How far a scrim reaches over the block, and the deviation of its soft edge, in sizes."""
HALF = 0.5


@dataclass(frozen=True, eq=False)
class Painted:
    """What was done for one text."""

    ink: Colour
    method: Method
    contrast: Contrast
    scrim: Scrim | None
    outline: Outline | None
    overlap: float  # share of the block's box that must stay free
    lines: tuple[Box, ...]  # of each line, unless the block is turned


@dataclass(eq=False)
class Sheet:
    """The part of a picture on which a block is painted, in linear light."""

    light: NDArray[np.float32]  # (height, width, 3)
    touched: Mask
    blank: bool = True  # whether nothing is laid yet

    def lay(self, mask: Mask, colour: Colour, opacity: float = 1.0) -> None:
        """Blend a colour in where the mask is."""
        share = mask * np.float32(opacity)
        for channel, value in enumerate(linear(np.array(colour, np.uint8))):
            self.light[..., channel] += share * (value - self.light[..., channel])
        np.maximum(self.touched, share, out=self.touched)
        self.blank = False

    def ground(self, where: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Luminances of some pixels, as the picture's eight bits will have them."""
        rows = (self.light[part][where[part]] for part in bands(0, len(self.touched)))
        return np.concatenate([luminance(one if self.blank else linear(levels(one))) for one in rows])

    def write(self, picture: Pixels) -> None:
        """Write what was touched into this part of a picture (height, width, 3)."""
        for part in bands(0, len(self.touched)):
            touched = self.touched[part] > 0
            picture[part][touched] = levels(self.light[part][touched])


def painted(
    picture: Pixels,
    block: Block,
    box: Box,
    align: str,
    options: TextOptions,
    keep: Pixels | None,
    name: str,
) -> Painted:
    """Paint a block into the picture (H, W, 3), in place, and tell how.

    keep: what must stay free, (H, W); a scrim leaves it as it is. Raises BadRequest where the text is too
    faint for any contrast.
    """
    height, width = picture.shape[:2]
    canvas = Canvas(block, align, _margin(options, block, box, picture))
    whole = canvas.place(box)
    seen = whole.cut(width, height)
    view = seen.moved(-whole.left, -whole.top)
    kept = np.zeros((seen.height, seen.width), np.uint8) if keep is None else keep[seen.part]
    sheet = Sheet(linear(picture[seen.part]), np.zeros((seen.height, seen.width), np.float32))
    letters = Letters(canvas, view, options, kept)
    told = replace(letters.paint(sheet, name), lines=tuple(canvas.line_boxes(box)))
    sheet.write(picture[seen.part])
    return told


@dataclass(frozen=True, eq=False)
class Letters:
    """The layers of one block, on the part of its canvas that the picture shows."""

    canvas: Canvas
    view: Box
    options: TextOptions
    kept: Pixels

    def paint(self, sheet: Sheet, name: str) -> Painted:
        """Lay all layers on the sheet."""
        options, size = self.options, self.canvas.block.size
        if back := options.background:
            frame = self.canvas.frame(back.padding * size, back.radius * size)
            sheet.lay(self._seen(frame), back.colour or WHITE, back.opacity)
        if shade := options.shadow:
            letters = self.canvas.ink(options.outline.width * size if options.outline else 0.0)
            cast = soft(moved(letters, shade.dx * size, shade.dy * size), shade.blur * size)
            sheet.lay(cast[self.view.part], shade.colour or (0, 0, 0), shade.opacity * options.opacity)
        where = self._seen(self.canvas.frame(0)) > HALF
        ink, scrim, outline = cured(options, sheet.ground(where), name)
        if scrim:
            sheet.lay(self._scrim(), scrim.colour, scrim.opacity)
        around = where
        if outline:
            rim = self._seen(self.canvas.ink(outline.width * size))
            sheet.lay(rim, outline.colour or _opposite(ink), options.opacity)
            around = rim > HALF if _by_outline(options) else where
        seen = contrast(sheet.ground(around), ink, options.opacity)
        sheet.lay(self._seen(self.canvas.ink()), ink, options.opacity)
        overlap = float((self.kept[where] > 0).mean()) if where.any() else 0.0
        return Painted(ink, method_of(options, scrim, seen), seen, scrim, outline, overlap, ())

    def _scrim(self) -> Mask:
        """The scrim: whole under the block, soft around it, and nowhere on what must stay free."""
        size = self.canvas.block.size
        frame = self.canvas.frame(SCRIM_REACH * size, SCRIM_REACH * size / 2)
        free = np.float32(1) - self.kept.astype(np.float32) / np.float32(255)
        return soft(frame, SCRIM_BLUR * size)[self.view.part] * free

    def _seen(self, drawn: Drawn) -> Mask:
        return mask_of(drawn[self.view.part])


def cured(
    options: TextOptions, ground: NDArray[np.float32], name: str
) -> tuple[Colour, Scrim | None, Outline | None]:
    """The ink, and what is needed for its contrast on luminances (n,)."""
    inks = INKS if options.colour is None else (options.colour,)
    ink = best_ink(ground, inks, options.opacity)
    need = Need() if _by_outline(options) else needed(ground)
    low = contrast(ground, ink, options.opacity, need.percentile).low
    if options.contrast == "off" or low >= need.ratio:
        return ink, None, options.outline
    if _by_outline(options):
        return ink, None, options.outline or Outline()
    found = scrim_for(ground, inks, options.opacity, need)
    found = found or scrim_for(ground, inks, options.opacity)  # a middle grey has no more on any ground
    if found is None:
        raise BadRequest(
            f"{name}.opacity must leave a contrast of {ENOUGH}, got {options.opacity:g}: "
            'raise it, change the colour, or say contrast "off"'
        )
    return found[0], found[1], options.outline


def method_of(options: TextOptions, scrim: Scrim | None, seen: Contrast) -> Method:
    """How the contrast was reached."""
    if scrim:
        return "scrim"
    if options.contrast == "off" or seen.low < ENOUGH:
        return "given"
    return "outline" if _by_outline(options) and options.outline is None else "colour"


def _by_outline(options: TextOptions) -> bool:
    return options.contrast == "outline"


def _margin(options: TextOptions, block: Block, box: Box, picture: Pixels) -> int:
    """Pixels around a block that its layers may reach, but not many that the picture does not show.

    All that is drawn sharp has room, so that a blur of it is right wherever it can be seen.
    """
    sharp, reach = [SCRIM_REACH, 0.35], [SCRIM_REACH + 4 * SCRIM_BLUR]
    if options.background:
        sharp.append(options.background.padding)
    if shade := options.shadow:
        sharp.append(max(abs(shade.dx), abs(shade.dy)) + 0.3)
        reach.append(sharp[-1] + 3 * shade.blur)
    least = max(sharp) * block.size
    return math.ceil(max(least, min(max(reach) * block.size, _far(block, box, picture)))) + 2


def _far(block: Block, box: Box, picture: Pixels) -> float:
    """How far the picture reaches from a block's box, at most."""
    height, width = picture.shape[:2]
    if block.shape.rotation:
        return math.hypot(width, height)
    return max(box.left, box.top, width - box.right, height - box.bottom)


def _opposite(ink: Colour) -> Colour:
    """Black for light ink, white for dark ink."""
    return BLACK if luminance_of(ink) > 0.18 else WHITE
