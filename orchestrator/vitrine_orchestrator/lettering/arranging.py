"""Chooses size, lines and place of a text on a ground: where the caller says, or the best free place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from vitrine.errors import BadRequest

from vitrine_orchestrator.lettering.breaking import LEVELS, pieces_of
from vitrine_orchestrator.lettering.fitting import Block, Limits, Shape, block_at, fitted
from vitrine_orchestrator.lettering.options import AUTO, TextOptions
from vitrine_orchestrator.lettering.setting import Script
from vitrine_orchestrator.placing.boxes import ANCHORS, Box, anchored, inner, of_shares
from vitrine_orchestrator.placing.contrast import INKS
from vitrine_orchestrator.placing.ground import Ground
from vitrine_orchestrator.placing.search import Place, best_place, measured

RIM = 0.35
"""What stays free around a text that finds its own place, in sizes."""
SCRIM = 0.5
"""What other texts leave free around a text, in sizes."""
SMALLER = 0.85
"""The next size that is tried."""
SMALL_COST = 0.4
"""What half the size costs, compared with the costs of a place."""
LINE_COST = 0.1
"""What each line after the first costs."""
WRAPS = (1.0, 0.7, 0.5, 0.35)
"""Widths of lines that are tried, as shares of the region's."""
BY_SHARE = {0.0: "left", 0.5: "center", 1.0: "right"}
"""The alignment that goes with an anchor's column, or of vertical text with its row."""


class Placeable(Protocol):
    """What is placed: a text at a size, in lines."""

    @property
    def size(self) -> int:
        """In pixels."""

    @property
    def turned(self) -> tuple[int, int]:
        """Width and height of the upright box around it, in pixels."""

    @property
    def lines(self) -> Sequence[str]:
        """Its lines."""


Set = TypeVar("Set", bound=Placeable, covariant=True)


class Setter(Protocol[Set]):
    """Sets one text, in its own way, at the sizes that the search asks for."""

    def fitted(self, limits: Limits) -> Set:
        """The text as large as the limits allow; BadRequest names the limit that its least size breaks."""

    def blocks(self, size: int, limits: Limits) -> Sequence[Set]:
        """The different ways to break the text at a size; none where it does not fit."""


@dataclass(frozen=True, eq=False)
class Arranged(Generic[Set]):
    """A block in its box, and how the box was found: by "anchor", "box", "candidate" or "search"."""

    block: Set
    box: Box
    found: str
    cost: float | None = None

    def taken(self, options: TextOptions) -> Box:
        """What other texts leave free: the box, and as much around it as a scrim reaches."""
        return self.box.grown(math.ceil(reach(options, SCRIM) * self.block.size))


def arranged(name: str, options: TextOptions, setter: Setter[Set], ground: Ground) -> Arranged[Set]:
    """Where and how large a text stands. BadRequest where no size within the limits has a place."""
    least, most = options.sizes(ground.width, ground.height, name)
    region = inner(ground.width, ground.height, options.margin)
    if options.box:
        region = of_shares(options.box, ground.width, ground.height)
    limits = Limits(region.width, region.height, least, most, options.lines)
    if options.anchor != AUTO or options.box:
        block = setter.fitted(limits)
        anchor = options.anchor if options.anchor != AUTO else "center"
        return Arranged(block, anchored(anchor, *block.turned, region), "box" if options.box else "anchor")
    search = Search(name, options, setter, limits, region, ground)
    return search.candidate() or search.place()


def alignment(options: TextOptions) -> str:
    """The alignment that a request says, or that goes with its anchor."""
    if options.align:
        return options.align
    return "center" if options.anchor == AUTO else BY_SHARE[ANCHORS[options.anchor][options.vertical]]


def reach(options: TextOptions, least: float) -> float:
    """How far a text's background reaches over its block, in sizes, and at least so far."""
    return max(least, options.background.padding if options.background else 0.0)


@dataclass(frozen=True, eq=False)
class BlockSetter:
    """Sets a text with Pillow."""

    name: str
    options: TextOptions
    script: Script

    def fitted(self, limits: Limits) -> Block:
        """As Setter says."""
        return fitted(self.name, self.options.text, self.script, self._shape, limits)

    def blocks(self, size: int, limits: Limits) -> list[Block]:
        """As Setter says; words are broken only where there is no other way."""
        setting = self.script.at(size)
        for level in LEVELS:
            pieces = pieces_of(self.options.text, self.script.language, level)
            found: dict[tuple[str, ...], Block] = {}
            for share in WRAPS:
                wrapped = self._wrapped(limits, share)
                if block := block_at(pieces, setting, self._shape, wrapped, level):
                    found.setdefault(block.lines, block)
            if found or size > limits.least:
                return list(found.values())
        return []

    @property
    def _shape(self) -> Shape:
        outline = self.options.outline
        return Shape(self.options.spacing, outline.width if outline else 0.0, self.options.rotation)

    def _wrapped(self, limits: Limits, share: float) -> Limits:
        """The limits with shorter lines."""
        if self.script.vertical:
            return replace(limits, height=round(limits.height * share))
        return replace(limits, width=round(limits.width * share))


@dataclass(frozen=True, eq=False)
class Search(Generic[Set]):
    """The search of a free place for one text."""

    name: str
    options: TextOptions
    setter: Setter[Set]
    limits: Limits
    region: Box
    ground: Ground

    def candidate(self) -> Arranged[Set] | None:
        """The text in the best proposed box in which it fits and covers nothing; None without one."""
        boxes = [of_shares(one, self.ground.width, self.ground.height) for one in self.options.candidates]
        found: list[tuple[Place, Set]] = []
        for box in boxes:
            try:
                block = self.setter.fitted(replace(self.limits, width=box.width, height=box.height))
            except BadRequest:
                continue  # too small a box is one that nobody should have proposed
            place = anchored("center", *block.turned, box)
            (seen,) = measured(self.ground, [place], 0, self._inks)
            if not seen.overlap:
                found.append((seen, block))
        if not found:
            return None
        seen, block = min(found, key=lambda pair: pair[0].cost + self._smallness(pair[1].size))
        return Arranged(block, seen.box, "candidate", seen.cost)

    def place(self) -> Arranged[Set]:
        """The text where size and place together cost least."""
        best: tuple[float, Place, Set] | None = None
        for size in self._sizes():
            if best and self._smallness(size) >= best[0]:
                break
            for block in self.setter.blocks(size, self.limits):
                rim = math.ceil(reach(self.options, RIM) * size)
                place = best_place(self.ground, *block.turned, self.region, rim, self._inks)
                if place is None:
                    continue
                total = place.cost + self._smallness(size) + LINE_COST * (len(block.lines) - 1)
                if best is None or total < best[0]:
                    best = total, place, block
        if best is None:
            raise BadRequest(self._refusal())
        return Arranged(best[2], best[1].box, "search", best[1].cost)

    @property
    def _inks(self) -> tuple[tuple[int, int, int], ...]:
        return INKS if self.options.colour is None else (self.options.colour,)

    def _smallness(self, size: int) -> float:
        return SMALL_COST * math.log2(self.limits.most / size)

    def _sizes(self) -> Iterator[int]:
        """From the largest to the least, each SMALLER than the one before."""
        size = self.limits.most
        while size > self.limits.least:
            yield size
            size = max(min(round(size * SMALLER), size - 1), self.limits.least)
        yield self.limits.least

    def _refusal(self) -> str:
        """Why there is no place: the text alone does not fit, or nothing is free."""
        self.setter.fitted(self.limits)
        return (
            f"{self.name} must have a free place at its least size of {self.limits.least} px: none is left "
            "beside what must stay clear; shorten it, lower min_size, or say its box"
        )
