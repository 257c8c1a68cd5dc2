"""A caller's own page on a picture: drawn by the browser, arranged, laid on, and measured like all texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import BoundedSemaphore

import numpy as np
from PIL import Image
from vitrine.errors import BadRequest

from vitrine_orchestrator.lettering.arranging import Arranged, arranged
from vitrine_orchestrator.lettering.characters import clusters
from vitrine_orchestrator.lettering.fitting import Limits
from vitrine_orchestrator.lettering.fonts import Fonts, check_glyphs
from vitrine_orchestrator.lettering.html.browser import Allowed, Drawn, open_browser
from vitrine_orchestrator.lettering.html.layers import Area, Layer, LayerSheet, drawn_inks, laid, least_scrim
from vitrine_orchestrator.lettering.options import TextOptions
from vitrine_orchestrator.lettering.painting import Painted, Pixels
from vitrine_orchestrator.placing.boxes import Box, box_of
from vitrine_orchestrator.placing.contrast import ENOUGH, SPARE
from vitrine_orchestrator.placing.ground import Ground

SMALLEST = 0.4
"""The least scale at which a page may be shown."""
AT_ONCE = BoundedSemaphore(2)
"""Browsers at the same time in one process: each holds several hundred megabytes."""
FORMATTING = ("\u200b", "\u200c", "\u200d", "\u2060", "\u00ad", *map(chr, range(0x200E, 0x2010)))
"""Characters without a glyph that a page may have; a browser sets them itself."""


@dataclass(frozen=True)
class PageBlock:
    """A page at a scale; its size is that of its largest letters."""

    size: int
    turned: tuple[int, int]
    lines: Sequence[str]


@dataclass(frozen=True, eq=False)
class PageSetter:
    """As Setter of arranging.py says."""

    name: str
    block: PageBlock  # at full scale

    def fitted(self, limits: Limits) -> PageBlock:
        """The page as large as it fits, and no larger than it is."""
        wide, high = self.block.turned
        share = min(limits.width / wide, limits.height / high, 1.0)
        if share < SMALLEST:
            raise BadRequest(
                f"{self.name}.html must fit into {limits.width}x{limits.height} px at {SMALLEST:g} of its "
                f"size, got {wide}x{high} px with something to see: make it smaller, or its box larger"
            )
        return self._at(share)

    def blocks(self, size: int, limits: Limits) -> list[PageBlock]:
        """The page at a size, if it fits."""
        block = self._at(size / self.block.size)
        return [block] if block.turned[0] <= limits.width and block.turned[1] <= limits.height else []

    def _at(self, share: float) -> PageBlock:
        wide, high = self.block.turned
        turned = max(math.floor(wide * share), 1), max(math.floor(high * share), 1)
        return PageBlock(max(1, round(self.block.size * share)), turned, self.block.lines)


@dataclass(frozen=True, eq=False)
class PageText:
    """A page that was drawn, cut to what is visible of it."""

    name: str
    options: TextOptions
    drawn: Drawn
    cut: Box  # of the drawn page

    @classmethod
    def of(
        cls, name: str, options: TextOptions, fonts: Fonts, allowed: Allowed, timeout_s: float
    ) -> PageText:
        """The page of a request; BadRequest where it shows nothing, or has a character without a glyph."""
        assert options.html is not None
        browser = open_browser(allowed, timeout_s)
        with AT_ONCE:
            drawn = browser.draw(f"{name}.html", options.html, *options.page)
        visible = box_of(drawn.layer[..., 3] > 0)
        if visible is None:
            raise BadRequest(f"{name}.html must show something: the page of {options.page} px is transparent")
        words = [one for one in clusters(drawn.words.text) if one not in FORMATTING and not one.isspace()]
        check_glyphs(f"{name}.html", words, fonts.faces("sans", "bold", options.language))
        return cls(name, options, drawn, visible)

    def arranged(self, ground: Ground) -> Arranged[PageBlock]:
        """Where and how large it stands."""
        size = self.drawn.words.size
        lines = [line for line in self.drawn.words.text.split("\n") if line]
        block = PageBlock(size, (self.cut.width, self.cut.height), lines[:1])
        sized = replace(self.options, size=size, min_size=max(1, math.ceil(size * SMALLEST)))
        return arranged(self.name, sized, PageSetter(self.name, block), ground)

    def painted(self, picture: Pixels, placed: Arranged[PageBlock], keep: Pixels | None) -> Painted:
        """Lay it on the picture (H, W, 3), in place; a scrim is laid under it where that helps enough."""
        sheet = LayerSheet.of(picture, placed.box, keep, placed.block.size)
        layer, bare = self._scaled(self.drawn.layer, placed.box), self._scaled(self.drawn.bare, placed.box)
        areas = self._areas(placed.box)
        scrim = None
        if self.options.contrast != "off":
            scrim = least_scrim(sheet, bare, areas, ENOUGH + SPARE)
        return laid(picture, sheet, layer, bare, areas, scrim, self.options)

    def told(self, placed: Arranged[PageBlock]) -> dict[str, object]:
        """What its report has beside what all texts have."""
        return {"way": "page", "text": self.drawn.words.text.strip(), "page": list(self.options.page)}

    def _areas(self, box: Box) -> list[Area]:
        across, down = box.width / self.cut.width, box.height / self.cut.height
        moved = [
            replace(
                area,
                box=Box(
                    math.floor((area.box.left - self.cut.left) * across),
                    math.floor((area.box.top - self.cut.top) * down),
                    math.ceil((area.box.right - self.cut.left) * across),
                    math.ceil((area.box.bottom - self.cut.top) * down),
                ).cut(box.width, box.height),
            )
            for area in page_areas(self.drawn)
        ]
        return [area for area in moved if area.box.width and area.box.height]

    def _scaled(self, layer: Layer, box: Box) -> Layer:
        part = layer[self.cut.part]
        if part.shape[:2] == (box.height, box.width):
            return part
        image = Image.fromarray(part).resize((box.width, box.height), Image.Resampling.LANCZOS)
        return np.asarray(image)


def page_areas(drawn: Drawn) -> list[Area]:
    """The texts of a page in their inks. Where the browser knows none, by the pixels: of the whole page."""
    layer, bare = drawn.layer, drawn.bare
    found: list[Area] = []
    for line in drawn.words.lines:
        filled = [Area(line.box, line.ink, line.opacity)] if line.ink else None
        found += filled or drawn_inks(layer, bare, line.box)
    height, width = layer.shape[:2]
    return found or drawn_inks(layer, bare, Box(0, 0, width, height))
