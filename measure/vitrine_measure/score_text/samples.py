"""Scenes with a text each, set by the model's own code and by Pillow alone, and measured alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageText
from vitrine_orchestrator.lettering.faces import Face
from vitrine_orchestrator.lettering.fonts import Fonts, open_fonts
from vitrine_orchestrator.lettering.html.templates import DESIGNS
from vitrine_orchestrator.lettering.options import TextOptions
from vitrine_orchestrator.lettering.overlay import Setters, overlaid
from vitrine_world import shop

from vitrine_measure.score_text.figures import contrast_of, covered, tofu
from vitrine_measure.score_text.lines import LINES

SIDE = 768
"""Pixels of a scene."""
PLAIN_SIZE = 64
"""Pixels of Pillow's text: about the median of ours."""

HORIZONTAL = tuple(name for name, design in DESIGNS.items() if not design.vertical)
"""Templates whose lines the reader can read."""

Pixels = NDArray[np.uint8]
LineBox = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Case:
    """A scene and the text for it."""

    picture: Pixels  # (SIDE, SIDE, 3)
    alpha: Pixels  # of the product
    shadow: Pixels
    text: str
    language: str


@dataclass(frozen=True, eq=False)
class Measured:
    """One text on its scene."""

    case: Case
    picture: Pixels
    size: int  # in pixels; 0 where no text could be set
    lines: tuple[str, ...]
    boxes: tuple[LineBox, ...]  # of the lines
    covered: bool  # whether the text stands on the product, or changes it
    contrast: float  # 5th percentile
    tofu: int
    seconds: float = 0.0  # to set it


def samples(seed: int, count: int) -> list[Case]:
    """Return the scenes of a seed, the languages in turn."""
    chosen, languages = np.random.default_rng(seed), tuple(LINES)
    cases = []
    for index in range(count):
        drawn = shop.draw(shop.sample(seed, index), size=SIDE)
        language = languages[index % len(languages)]
        text = LINES[language][int(chosen.integers(len(LINES[language])))]
        cases.append(Case(drawn.picture, drawn.alpha, drawn.shadow, text, language))
    return cases


def set_by_us(case: Case, template: str | None = None) -> Measured:
    """Return the text set as `text_overlay` does by default, or with a template, product and shadow known."""
    keep = np.maximum(case.alpha, case.shadow)
    options = TextOptions(text=case.text, language=case.language, template=template)
    start = time.perf_counter()
    picture, (told,) = overlaid(case.picture, [options], setters(), keep)
    seconds = time.perf_counter() - start
    face = fonts().faces("sans", "bold", case.language)[0]
    ink = tuple(bytes.fromhex(str(told["colour"])[1:]))
    lines, boxes = told["lines"], told["line_boxes"]
    made = _measured(case, picture, int(told["size"]), lines, boxes, ink, face)  # type: ignore[arg-type, call-overload]
    return replace(made, seconds=seconds)


def set_as_html(case: Case) -> Measured:
    """Return the text with one of the horizontal templates, in turn by the text."""
    return set_by_us(case, HORIZONTAL[sum(map(ord, case.text)) % len(HORIZONTAL)])


def set_by_pillow(case: Case) -> Measured:
    """Return the text in white at the top, wrapped by Pillow; none where it cannot wrap it."""
    face = fonts().faces("sans", "bold", case.language)[0]
    font = ImageFont.truetype(face.path, PLAIN_SIZE, index=face.index)
    text = ImageText.Text(case.text, font)
    try:
        text.wrap(SIDE * 9 // 10)
    except ValueError:  # a word that is wider: Japanese and Chinese have no spaces
        return Measured(case, case.picture, 0, (), (), False, 1.0, 0)
    start = time.perf_counter()
    image = Image.fromarray(case.picture)
    canvas, lines, boxes = ImageDraw.Draw(image), str(text.text).split("\n"), []
    for index, line in enumerate(lines):
        at = (SIDE / 2, SIDE / 20 + PLAIN_SIZE * 1.3 * index)
        canvas.text(at, line, "white", font, anchor="ma")
        left, top, right, bottom = canvas.textbbox(at, line, font, anchor="ma")
        boxes.append((round(left), round(top), round(right), round(bottom)))
    seconds = time.perf_counter() - start
    made = _measured(case, np.asarray(image), PLAIN_SIZE, lines, boxes, (255, 255, 255), face)
    return replace(made, seconds=seconds)


def set_on_white() -> list[Measured]:
    """Return every line on a white picture: what the reader reads where nothing disturbs it."""
    white, free = np.full((SIDE, SIDE, 3), 255, np.uint8), np.zeros((SIDE, SIDE), np.uint8)
    return [
        set_by_us(Case(white, free, free, text, language))
        for language, texts in LINES.items()
        for text in texts
    ]


@lru_cache
def fonts() -> Fonts:
    """Return the fonts of the system."""
    return open_fonts(None)


@lru_cache
def setters() -> Setters:
    """Return what sets texts with them."""
    return Setters(fonts())


def _measured(
    case: Case,
    picture: Pixels,
    size: int,
    lines: Sequence[str],
    boxes: Sequence[Sequence[int]],
    ink: tuple[int, ...],
    face: Face,
) -> Measured:
    placed = tuple((box[0], box[1], box[2], box[3]) for box in boxes)
    return Measured(
        case,
        picture,
        size,
        tuple(lines),
        placed,
        covered(case.picture, picture, case.alpha, placed),
        contrast_of(picture, placed, ink),
        tofu(case.text, face),
    )
