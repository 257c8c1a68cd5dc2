"""What is read of a caller's page: where its texts stand, in which colours and sizes.

The code runs in a world of its own beside the page's, which has no scripts. It calls methods of prototypes,
since a page can hide those of an object behind elements of the same name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from vitrine_orchestrator.placing.boxes import Box
from vitrine_orchestrator.placing.contrast import Colour

MAX_AREAS = 400
MAX_CHARACTERS = 10_000
USUAL_SIZE = 16.0
"""Pixels of letters where none is found: what a browser's are where a page says nothing."""

_MEASURE = """(() => {
  const found = [], known = new Map();
  let text = "";
  const UNSEEN = ["STYLE", "SCRIPT", "TITLE", "NOSCRIPT", "TEMPLATE"];
  const SEEN = {visibilityProperty: true, opacityProperty: true};
  const above = Object.getOwnPropertyDescriptor(Node.prototype, "parentElement").get;
  const pen = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const bytes = (colour) => {  // red, green, blue, alpha; of what is no colour an alpha of 0
    if (!known.has(colour)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = "#0000";
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      known.set(colour, Array.from(pen.getImageData(0, 0, 1, 1).data));
    }
    return known.get(colour);
  };
  const isShown = (parent) => {
    let boxed = parent;
    while (boxed && getComputedStyle(boxed).display === "contents") boxed = above.call(boxed);
    if (!boxed || !Element.prototype.checkVisibility.call(boxed, SEEN)) return false;
    const closed = boxed instanceof HTMLDetailsElement && !boxed.open;
    return !closed && getComputedStyle(boxed).contentVisibility !== "hidden";
  };
  const opacityOf = (parent) => {
    let opacity = 1;
    for (let one = parent; one; one = above.call(one)) opacity *= parseFloat(getComputedStyle(one).opacity);
    return opacity;
  };
  const inkOf = (parent, style) => {
    if (!(parent instanceof SVGElement))
      return [bytes(style.webkitTextFillColor || style.color), 1, parseFloat(style.fontSize)];
    const matrix = parent.getScreenCTM ? parent.getScreenCTM() : null;
    const scale = matrix ? Math.hypot(matrix.a, matrix.b) : 1;
    return [bytes(style.fill), parseFloat(style.fillOpacity), parseFloat(style.fontSize) * scale];
  };
  const walker = Document.prototype.createTreeWalker.call(document, document, NodeFilter.SHOW_TEXT);
  const next = TreeWalker.prototype.nextNode;
  for (let node = next.call(walker); node && found.length < AREAS; node = next.call(walker)) {
    const parent = above.call(node);
    const shown = node.data.trim();
    if (!parent || !shown || UNSEEN.includes(parent.tagName) || !isShown(parent)) continue;
    const style = getComputedStyle(parent);
    if (style.visibility !== "visible") continue;
    const range = Document.prototype.createRange.call(document);
    range.selectNodeContents(node);
    const boxes = Array.from(range.getClientRects()).filter((box) => box.width >= 1 && box.height >= 1);
    if (!boxes.length) continue;
    const [ink, filled, size] = inkOf(parent, style), opacity = filled * opacityOf(parent);
    for (const box of boxes.slice(0, AREAS - found.length))
      found.push([box.left, box.top, box.right, box.bottom, ink, opacity, size]);
    text += shown.slice(0, CHARACTERS - text.length) + "\\n";
  }
  return [found, text.slice(0, CHARACTERS)];
})()"""
MEASURE = _MEASURE.replace("AREAS", str(MAX_AREAS)).replace("CHARACTERS", str(MAX_CHARACTERS))

HIDE_INK = """(() => {
  const styleOf = Object.getOwnPropertyDescriptor(HTMLElement.prototype, "style").get;
  for (const one of Document.prototype.querySelectorAll.call(document, "*"))
    if (one instanceof HTMLElement && getComputedStyle(one).webkitBackgroundClip.includes("text"))
      styleOf.call(one).setProperty("background", "none", "important");
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`*, *::before, *::after {
    -webkit-text-fill-color: transparent !important; color: transparent !important;
    text-shadow: none !important; text-decoration-color: transparent !important;
    -webkit-text-stroke-color: transparent !important; transition: none !important }
  svg text, svg text * { fill: transparent !important; stroke: transparent !important }`);
  document.adoptedStyleSheets = [sheet];
  return true;
})()"""


@dataclass(frozen=True)
class Line:
    """A line of text on a page."""

    box: Box  # in the page
    ink: Colour | None  # None where the text is not filled with one colour: a gradient, or a stroke alone
    opacity: float = 1.0


@dataclass(frozen=True)
class Words:
    """The texts of a page."""

    text: str  # composed (NFC)
    lines: tuple[Line, ...]
    size: int  # of the largest letters, in pixels


def read_words(found: Any, width: int, height: int) -> Words:
    """The texts in what MEASURE returned for a page of that size; what is not on the page is left out."""
    rows, text = found if isinstance(found, list) and len(found) == 2 else ([], "")
    lines, sizes = list[Line](), list[float]()
    for row in rows[:MAX_AREAS]:
        if box := _box(row, width, height):
            red, green, blue, alpha = map(int, row[4])
            opacity = alpha / 255 * float(row[5])
            lines.append(Line(box, (red, green, blue), opacity) if opacity else Line(box, None))
            sizes.append(float(row[6]))
    composed = normalize("NFC", str(text)[:MAX_CHARACTERS])
    return Words(composed, tuple(lines), max(1, min(round(max(sizes, default=USUAL_SIZE)), height)))


def _box(row: Sequence[Any], width: int, height: int) -> Box | None:
    left, top, right, bottom = (int(min(max(float(one), -1e6), 1e6)) for one in row[:4])
    inside = Box(left, top, right, bottom).cut(width, height)
    return inside if inside.width and inside.height else None
