"""Sets a text with a template: lines by the same rules as all texts, sizes from what the renderer measures.

A template's lengths are all in em, so its layout is measured once for each way to break the lines, and is
right for every size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vitrine.errors import BadRequest

from vitrine_orchestrator.lettering.breaking import LEVELS, Level, pieces_of
from vitrine_orchestrator.lettering.fitting import Limits
from vitrine_orchestrator.lettering.html.renderer import Renderer
from vitrine_orchestrator.lettering.html.templates import Lines, Look
from vitrine_orchestrator.lettering.lines import balanced
from vitrine_orchestrator.lettering.options import TextOptions
from vitrine_orchestrator.lettering.setting import Script, Setting
from vitrine_orchestrator.placing.boxes import Box

EM = 100
"""The size in pixels at which layouts are measured."""
LOOSE = (1.0, 1.08, 1.2, 1.4, 1.8)
"""Widths that are tried for a number of lines, as shares of an even one."""
MAX_SUBLINES = 2


@dataclass(frozen=True, eq=False)
class TemplateBlock:
    """A template with its lines at a size."""

    texts: Lines
    size: int
    wide: float  # in em
    high: float
    level: Level

    @property
    def lines(self) -> tuple[str, ...]:
        """Of the first text."""
        return self.texts.text

    @property
    def turned(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return math.ceil(self.wide * self.size), math.ceil(self.high * self.size)


@dataclass(eq=False)
class TemplateSetter:
    """As Setter of arranging.py says."""

    name: str
    options: TextOptions
    script: Script
    look: Look
    renderer: Renderer
    _measured: dict[Level, list[TemplateBlock]] = field(default_factory=dict)

    def fitted(self, limits: Limits) -> TemplateBlock:
        """The template as large as the limits allow."""
        for level in LEVELS:
            sized = [(self._largest(block, limits), block) for block in self._layouts(level, limits.lines)]
            size, best = max(sized, key=lambda pair: pair[0], default=(0, None))
            if best is not None and size >= limits.least:
                return self._at(best, size)
        raise BadRequest(self._refusal(limits))

    def blocks(self, size: int, limits: Limits) -> list[TemplateBlock]:
        """Each way to break the lines that fits; words are broken only where there is no other way."""
        for level in LEVELS:
            layouts = self._layouts(level, limits.lines)
            found = [self._at(one, size) for one in layouts if self._largest(one, limits) >= size]
            if found or size > limits.least:
                return found
        return []

    def _largest(self, block: TemplateBlock, limits: Limits) -> int:
        return min(math.floor(min(limits.width / block.wide, limits.height / block.high)), limits.most)

    def _at(self, block: TemplateBlock, size: int) -> TemplateBlock:
        return TemplateBlock(block.texts, size, block.wide, block.high, block.level)

    def _layouts(self, level: Level, most: int) -> list[TemplateBlock]:
        """The layouts of each way to break the lines at a level."""
        if level not in self._measured:
            found = dict.fromkeys(self._broken(level, most))
            self._measured[level] = [self._layout(lines, level) for lines in found]
        return self._measured[level]

    def _layout(self, lines: Lines, level: Level) -> TemplateBlock:
        tree = self.renderer.measure(self.look.page(lines, EM, None))
        return TemplateBlock(lines, EM, tree["width"] / EM, tree["height"] / EM, level)

    def _broken(self, level: Level, most: int) -> Iterator[Lines]:
        setting, language = self.script.at(EM), self.options.language
        sublines: list[tuple[str, ...]] = [()]
        if self.options.subline:
            sublines = ways(self.options.subline, language, level, setting, MAX_SUBLINES)
        for text in ways(self.options.text, language, level, setting, most):
            for subline in sublines:
                yield Lines(text, subline)

    def _refusal(self, limits: Limits) -> str:
        said = f"{self.name} must fit at its least size of {limits.least} px"
        layouts = self._layouts(LEVELS[-1], limits.lines)
        if not layouts:
            return f"{said} into {limits.lines} lines: raise lines or shorten it"
        least = min(layouts, key=lambda one: one.wide * one.high)
        wide, high = self._at(least, limits.least).turned
        return (
            f"{said} into {limits.width}x{limits.height} px with the template {self.options.template}, "
            f"got {wide}x{high}: shorten it or enlarge its box"
        )


def ways(text: str, language: str, level: Level, setting: Setting, most: int) -> list[tuple[str, ...]]:
    """The different even ways to break a text into 1 to `most` lines."""
    pieces = pieces_of(text, language, level)
    longest = max(setting.length(piece.text) for piece in pieces)
    whole = sum(setting.length(piece.text + piece.space) for piece in pieces)
    found: dict[tuple[str, ...], None] = {}
    for count in range(1, most + 1):
        for loose in LOOSE:
            lines = balanced(pieces, max(whole / count * loose, longest) + 1, setting.length)
            if lines and len(lines) <= count:
                found[tuple(lines)] = None
                break
    return list(found)


def line_boxes(tree: Mapping[str, Any], lines: Sequence[str]) -> list[Box]:
    """The box of each line in a laid out page, in pixels: of all runs that hold its characters, in order."""
    runs = list(_runs(tree))
    boxes, at = [], 0
    for line in lines:
        left_of, sides = len("".join(line.split())), []
        while left_of > 0 and at < len(runs):
            text, box = runs[at]
            left_of -= len("".join(text.split()))
            sides.append(box.numbers)
            at += 1
        if sides:
            lefts, tops, rights, bottoms = zip(*sides, strict=True)
            boxes.append(Box(min(lefts), min(tops), max(rights), max(bottoms)))
    return boxes


def _runs(node: Mapping[str, Any]) -> Iterator[tuple[str, Box]]:
    """Every run of text with its box in the page; no template turns or scales anything."""
    x, y = node["transform"][4:6]  # in the page
    for run in node["runs"]:
        left, top = x + run["x"], y + run["y"]
        sides = left, top, left + run["width"], top + run["height"]
        yield run["text"], Box(*map(round, sides))
    for child in node["children"]:
        yield from _runs(child)
