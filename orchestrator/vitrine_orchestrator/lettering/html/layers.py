"""A text as a layer of pixels: how it is blended into a picture, and how well it can be read there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.lettering.masks import soft
from vitrine_orchestrator.lettering.options import TextOptions
from vitrine_orchestrator.lettering.painting import (
    SCRIM_BLUR,
    SCRIM_REACH,
    Painted,
    Pixels,
    Sheet,
    method_of,
)
from vitrine_orchestrator.placing.boxes import Box, box_of
from vitrine_orchestrator.placing.contrast import (
    LOW,
    Colour,
    Contrast,
    Scrim,
    contrast,
    linear,
    luminance,
    luminance_of,
)

Layer = NDArray[np.uint8]
"""(height, width, 4), RGB that is not multiplied with its alpha."""
VEILS: tuple[Colour, ...] = ((0, 0, 0), (255, 255, 255))
NO_TEXT = Contrast(21.0, 1.0)
"""The contrast of a layer that shows no text: nothing of it needs to be read."""
INK_CORE = 0.75
"""The change by ink, as a share of the largest one, from which a pixel is the ink's own: edges are mixed."""
EXTREMES = (10, 90)
"""Percentiles of luminance that are the inks of a text in several colours."""
ONE_INK = 0.05
"""The difference of luminances under which two inks are taken as one."""
STEP = 1 / 16
"""How the opacity of a scrim grows that is tried for a page with inks of its own."""


@dataclass(frozen=True)
class Area:
    """A part of a layer that holds text of one colour."""

    box: Box  # in the layer
    ink: Colour
    opacity: float = 1.0


@dataclass(eq=False)
class LayerSheet:
    """The part of a picture around a layer, on which a scrim and the layer are laid."""

    sheet: Sheet
    seen: Box  # in the picture
    at: Box  # of the layer, in the picture
    kept: Pixels  # (height, width) of the part: what must stay free
    size: int  # of the text, in pixels

    @classmethod
    def of(cls, picture: Pixels, at: Box, keep: Pixels | None, size: int) -> LayerSheet:
        """The part of a picture (H, W, 3) that a layer and its scrim reach."""
        height, width = picture.shape[:2]
        seen = at.grown(math.ceil((SCRIM_REACH + 4 * SCRIM_BLUR) * size) + 2).cut(width, height)
        kept = np.zeros((seen.height, seen.width), np.uint8) if keep is None else keep[seen.part]
        sheet = Sheet(linear(picture[seen.part]), np.zeros((seen.height, seen.width), np.float32))
        return cls(sheet, seen, at, kept, size)

    def veil(self, scrim: Scrim) -> None:
        """Lay a scrim under the layer: soft around it, and nowhere on what must stay free."""
        frame = np.zeros((self.seen.height, self.seen.width), np.uint8)
        inner = self._here(self.at.grown(round(SCRIM_REACH * self.size)))
        frame[inner.part] = 255
        free = np.float32(1) - self.kept.astype(np.float32) / np.float32(255)
        veil = soft(frame, SCRIM_BLUR * self.size, cv2.BORDER_REFLECT_101)  # it goes on beyond the picture
        self.sheet.lay(veil * free, scrim.colour, scrim.opacity)

    def lay(self, layer: Layer) -> None:
        """Blend the layer in, in linear light."""
        here = self._here(self.at)
        part = layer[self._inside().part]
        alpha = part[..., 3:].astype(np.float32) / np.float32(255)
        self.sheet.light[here.part] += alpha * (linear(part[..., :3]) - self.sheet.light[here.part])
        self.sheet.touched[here.part] = np.maximum(self.sheet.touched[here.part], alpha[..., 0])

    def ground(self, box: Box) -> NDArray[np.float32]:
        """Luminances of the pixels of a box of the layer, as the picture shows them now."""
        where = np.zeros((self.seen.height, self.seen.width), bool)
        where[self._here(box.moved(self.at.left, self.at.top)).part] = True
        return self.sheet.ground(where)

    def overlap(self, layer: Layer) -> float:
        """The share of the layer's visible pixels on what must stay free."""
        visible = layer[self._inside().part][..., 3] > 0
        if not visible.any():
            return 0.0
        return float((self.kept[self._here(self.at).part][visible] > 0).mean())

    def copy(self) -> LayerSheet:
        """The same part, to try something on it."""
        sheet = Sheet(self.sheet.light.copy(), self.sheet.touched.copy())
        return LayerSheet(sheet, self.seen, self.at, self.kept, self.size)

    def done(self, picture: Pixels) -> None:
        """Write what was touched into the picture."""
        self.sheet.write(picture[self.seen.part])

    def _here(self, box: Box) -> Box:
        """A box of the picture in this part, cut at its edges."""
        return box.moved(-self.seen.left, -self.seen.top).cut(self.seen.width, self.seen.height)

    def _inside(self) -> Box:
        """What the picture shows of the layer, in the layer."""
        return self.seen.moved(-self.at.left, -self.at.top).cut(self.at.width, self.at.height)


def areas_contrast(sheet: LayerSheet, areas: Sequence[Area], percentile: int = LOW) -> Contrast | None:
    """The contrast of the worst area, on a sheet that has all but the ink; None without text."""
    found = [
        contrast(ground, area.ink, area.opacity, percentile)
        for area in areas
        if (ground := sheet.ground(area.box)).size
    ]
    return min(found, key=lambda one: one.low) if found else None


def laid(
    picture: Pixels,
    sheet: LayerSheet,
    layer: Layer,
    bare: Layer,
    areas: Sequence[Area],
    scrim: Scrim | None,
    options: TextOptions,
) -> Painted:
    """Lay scrim and layer on the picture (H, W, 3), in place, and tell how well its text can be read.

    bare: the layer without its ink.
    """
    if scrim:
        sheet.veil(scrim)
    behind = sheet.copy()
    behind.lay(bare)
    seen = areas_contrast(behind, areas) or NO_TEXT
    overlap = sheet.overlap(layer)
    sheet.lay(layer)
    sheet.done(picture)
    boxes = [box.moved(sheet.at.left, sheet.at.top) for box in dict.fromkeys(area.box for area in areas)]
    ink = areas[0].ink if areas else (0, 0, 0)
    return Painted(ink, method_of(options, scrim, seen), seen, scrim, None, overlap, tuple(boxes))


def least_scrim(sheet: LayerSheet, bare: Layer, areas: Sequence[Area], enough: float) -> Scrim | None:
    """The faintest scrim with which every area has a contrast; None where none is needed or helps enough."""
    if _reached(sheet, None, bare, areas) >= enough:
        return None
    for step in range(1, round(1 / STEP) + 1):
        tried = [Scrim(veil, step * STEP) for veil in VEILS]
        best = max(tried, key=lambda scrim: _reached(sheet, scrim, bare, areas))
        if _reached(sheet, best, bare, areas) >= enough:
            return best
    return None


def _reached(sheet: LayerSheet, scrim: Scrim | None, bare: Layer, areas: Sequence[Area]) -> float:
    tried = sheet.copy()
    if scrim:
        tried.veil(scrim)
    tried.lay(bare)
    found = areas_contrast(tried, areas)
    return (found or NO_TEXT).low


def ink_box(layer: Layer, bare: Layer, box: Box) -> Box:
    """The part of a box in which ink is drawn; the box itself where none is."""
    height, width = layer.shape[:2]
    inside = box.cut(width, height)
    drawn = box_of((layer[inside.part] != bare[inside.part]).any(axis=2))
    return drawn.moved(inside.left, inside.top) if drawn else inside


def drawn_inks(layer: Layer, bare: Layer, box: Box) -> list[Area]:
    """The inks that are drawn in a box, by the pixels: one, or the darkest and the lightest; none without.

    This is for text that no single colour fills. Its opacity is that of its most opaque pixels.
    """
    height, width = layer.shape[:2]
    inside = box.cut(width, height)
    with_ink, without = layer[inside.part], bare[inside.part]
    change = np.abs(with_ink.astype(np.int16) - without).max(axis=2, initial=0)
    if not change.any():
        return []
    core = with_ink[change >= INK_CORE * change.max()]
    light = luminance(linear(core[:, :3]))
    ends = [core[np.abs(light - np.percentile(light, share)).argmin()] for share in EXTREMES]
    opacity = float(core[:, 3].max()) / 255
    found = [Area(ink_box(layer, bare, box), _colour(one), opacity) for one in ends]
    dark, bright = (luminance_of(area.ink) for area in found)
    return found if bright - dark > ONE_INK else found[:1]


def _colour(pixel: NDArray[np.uint8]) -> Colour:
    return int(pixel[0]), int(pixel[1]), int(pixel[2])
