"""What is read of a caller's page: where its texts stand, in which colours and sizes.

The code runs in a world of its own beside the page's, which has no scripts. It calls methods of prototypes,
since a page can hide those of an object behind elements of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vitrine_orchestrator.placing.boxes import Box
from vitrine_orchestrator.placing.contrast import Colour

MAX_AREAS = 400
MAX_CHARACTERS = 10_000

_MEASURE = """(() => {
  const found = [];
  let text = "";
  const UNSEEN = ["STYLE", "SCRIPT", "TITLE", "NOSCRIPT", "TEMPLATE"];
  const walker = Document.prototype.createTreeWalker.call(document, document, NodeFilter.SHOW_TEXT);
  const next = TreeWalker.prototype.nextNode;
  for (let node = next.call(walker); node && found.length < AREAS; node = next.call(walker)) {
    const parent = Object.getOwnPropertyDescriptor(Node.prototype, "parentElement").get.call(node);
    const shown = node.data.trim();
    if (!parent || !shown || UNSEEN.includes(parent.tagName)) continue;
    const style = getComputedStyle(parent);
    if (style.visibility !== "visible" || style.display === "none") continue;
    const range = Document.prototype.createRange.call(document);
    range.selectNodeContents(node);
    const colour = style.webkitTextFillColor || style.color;
    for (const box of range.getClientRects()) {
      if (box.width >= 1 && box.height >= 1 && found.length < AREAS)
        found.push([box.left, box.top, box.right, box.bottom, colour, parseFloat(style.fontSize)]);
    }
    text += shown.slice(0, CHARACTERS - text.length) + "\\n";
  }
  return [found, text.slice(0, CHARACTERS)];
})()"""
MEASURE = _MEASURE.replace("AREAS", str(MAX_AREAS)).replace("CHARACTERS", str(MAX_CHARACTERS))

HIDE_INK = """(() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`*, *::before, *::after {
    -webkit-text-fill-color: transparent !important; color: transparent !important;
    text-shadow: none !important; text-decoration-color: transparent !important;
    -webkit-text-stroke-color: transparent !important; transition: none !important }`);
  document.adoptedStyleSheets = [sheet];
  return true;
})()"""

_COLOUR = re.compile(r"rgba?\((\d+), (\d+), (\d+)(?:, ([\d.]+))?\)")


@dataclass(frozen=True)
class Words:
    """The texts of a page."""

    text: str
    areas: tuple[tuple[Box, Colour], ...]  # of each line of text: its box in the page, and its colour
    size: int  # of the largest letters, in pixels


def read_words(found: Any, width: int, height: int) -> Words:
    """The texts in what MEASURE returned for a page of that size; what is not on the page is left out."""
    rows, text = found if isinstance(found, list) and len(found) == 2 else ([], "")
    areas, sizes = [], [1.0]
    for row in rows[:MAX_AREAS]:
        box, colour = _box(row, width, height), _COLOUR.fullmatch(str(row[4]))
        if box is None or colour is None or float(colour[4] or 1) == 0:
            continue
        areas.append((box, (int(colour[1]), int(colour[2]), int(colour[3]))))
        sizes.append(float(row[5]))
    return Words(str(text)[:MAX_CHARACTERS], tuple(areas), max(1, min(round(max(sizes)), height)))


def _box(row: Sequence[Any], width: int, height: int) -> Box | None:
    left, top, right, bottom = (int(min(max(float(one), -1e6), 1e6)) for one in row[:4])
    inside = Box(left, top, right, bottom).cut(width, height)
    return inside if inside.width and inside.height else None
