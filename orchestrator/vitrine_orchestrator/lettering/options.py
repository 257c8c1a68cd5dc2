"""What a request may say of a text: one dataclass, and one row for each field that reads and checks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from vitrine.errors import BadRequest

from vitrine_orchestrator.lettering.characters import checked_text
from vitrine_orchestrator.lettering.effects import Background, Outline, Shadow, effect
from vitrine_orchestrator.lettering.fonts import WEIGHTS
from vitrine_orchestrator.lettering.html.templates import DESIGNS
from vitrine_orchestrator.lettering.languages import LANGUAGES, language_of
from vitrine_orchestrator.lettering.values import colour_of, listed, number
from vitrine_orchestrator.placing.boxes import ANCHORS, Shares, checked_shares
from vitrine_orchestrator.placing.contrast import Colour
from vitrine_orchestrator.wire.fields import one_of

AUTO = "auto"
ALIGNS = ("left", "center", "right")
Contrasting = Literal["auto", "scrim", "outline", "off"]
CONTRASTS: tuple[Contrasting, ...] = get_args(Contrasting)
"""How too little contrast is cured: by a scrim (as "auto" does), by an outline, or not at all."""

MAX_TEXTS = 16
MAX_BYTES = 200_000
MAX_LINES = 20
MAX_CANDIDATES = 32
MODEL = "model"
"""What `candidates` says where a vision model is to propose them."""
MAX_HTML = 100_000
"""Characters of a caller's page."""
PAGE_SIDES = (16, 4096)
"""Least and most pixels of a caller's page on each side."""
MOST_SIZE, LEAST_SIZE = 2000, 6
"""Sizes in pixels that may be asked for."""
LEAST_OPACITY = 0.2
"""Fainter text cannot have enough contrast on any ground."""
USUAL_SIZE, USUAL_LEAST = 1 / 8, 1 / 32
"""Largest and least size where a request says none, as shares of the picture's shorter side."""


@dataclass(frozen=True)
class TextOptions:
    """One text of a request, checked."""

    text: str
    language: str
    anchor: str = AUTO  # one of ANCHORS, or the best free place
    box: Shares | None = None  # the part of the picture in which the text stands; None: all but the margin
    candidates: tuple[Shares, ...] = ()  # boxes to try first, such as a vision model's
    ask: bool = False  # whether a vision model is asked for such boxes
    size: int | None = None  # largest size, in pixels
    min_size: int | None = None
    lines: int = 3
    margin: float = 0.05  # of the picture's shorter side, kept free at its edges
    font: str = "sans"
    weight: str = "bold"
    align: str | None = None
    spacing: float = 1.3  # from line to line, in sizes
    colour: Colour | None = None  # None: white or black, whichever stands out
    opacity: float = 1.0
    outline: Outline | None = None
    shadow: Shadow | None = None
    background: Background | None = None
    contrast: Contrasting = "auto"
    rotation: float = 0.0  # degrees against the clock
    vertical: bool = False
    template: str | None = None  # a name of DESIGNS: set as HTML, not with Pillow
    subline: str | None = None  # of a template
    accent: Colour | None = None  # of a template's ground
    html: str | None = None  # a caller's own page, instead of a text
    page: tuple[int, int] = (600, 300)  # its width and height in pixels

    def sizes(self, width: int, height: int, name: str) -> tuple[int, int]:
        """Least and largest size in pixels on a picture of that size."""
        side = min(width, height)
        usual = min(max(round(side * USUAL_SIZE), LEAST_SIZE, self.min_size or 0), MOST_SIZE)
        most = self.size or usual
        least = self.min_size or min(max(round(side * USUAL_LEAST), LEAST_SIZE), most)
        _check_sizes(name, least, most)
        return least, most


def read_texts(sent: bytes) -> tuple[TextOptions, ...]:
    """The texts of a request: a JSON list of objects or strings. BadRequest names text, field and rule."""
    if len(sent) > MAX_BYTES:
        raise BadRequest(f"texts must have at most {MAX_BYTES} bytes, got {len(sent)}")
    try:
        found = json.loads(sent)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"texts must be a JSON list, got {sent[:40]!r}") from error
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_TEXTS:
        many = f"{len(found)} texts" if isinstance(found, list) else type(found).__name__
        raise BadRequest(f"texts must be a JSON list of 1 to {MAX_TEXTS} texts, got {many}")
    return tuple(read_text(f"texts[{index}]", one) for index, one in enumerate(found))


def read_text(name: str, sent: object) -> TextOptions:
    """One text; BadRequest names the field, the rule and the value."""
    given = {"text": sent} if isinstance(sent, str) else sent
    if not isinstance(given, Mapping):
        raise BadRequest(f"{name} must be a text or an object, got {type(sent).__name__}")
    if unknown := sorted(map(str, given.keys() - READERS.keys())):
        raise BadRequest(f"{name} has unknown fields {listed(unknown)}; known: {', '.join(READERS)}")
    sent_fields = {field: value for field, value in given.items() if value is not None}
    _check_together(name, sent_fields)
    read = {field: READERS[field](f"{name}.{field}", value) for field, value in sent_fields.items()}
    if "box" in read and read.get("candidates"):
        raise BadRequest(f"{name}.box and {name}.candidates must not both be given")
    if "size" in read and "min_size" in read:
        _check_sizes(name, read["min_size"], read["size"])
    if read.get("candidates") == MODEL:
        del read["candidates"]
        read["ask"] = True
    if "html" in read:
        return TextOptions(text="", language="en", **read)
    language = read.pop("language", None) or language_of(read["text"])
    return TextOptions(language=language, **read)


def with_candidates(
    texts: Sequence[TextOptions], proposals: Mapping[int, Sequence[Shares]]
) -> tuple[TextOptions, ...]:
    """The texts with boxes to try first, by their number."""
    return tuple(
        replace(one, candidates=tuple(proposals[index])) if index in proposals else one
        for index, one in enumerate(texts)
    )


def _check_together(name: str, given: Mapping[str, object]) -> None:
    """BadRequest for fields that say nothing of how this text is set."""
    if "text" not in given and "html" not in given:
        raise BadRequest(f"{name}.text must be given")
    if "html" in given:
        others, with_what = given.keys() - OF_PAGE, "html, which is set as it is"
    elif "template" in given:
        others, with_what = given.keys() & NOT_OF_TEMPLATES, f"template, which has its own {SAID}"
    else:
        others, with_what = given.keys() & ONLY_OF_TEMPLATES, "a text that has no template and is no html"
    if others:
        raise BadRequest(f"{name}.{min(others)} must not be given with {with_what}")


def _check_sizes(name: str, least: int, most: int) -> None:
    if least > most:
        raise BadRequest(f"{name}.min_size must be at most size, {most}, got {least}")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadRequest(f"{name} must be text, got {type(value).__name__}")
    return checked_text(name, value)


def _word(words: tuple[str, ...]) -> Callable[[str, object], str]:
    return lambda name, value: one_of(name, str(value), words)


def _whole(least: int, most: int) -> Callable[[str, object], int]:
    return lambda name, value: round(number(least, most)(name, value))


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false, got {str(value)[:40]!r}")
    return value


def _colour(name: str, value: object) -> Colour | None:
    return None if value == AUTO else colour_of(name, value)


def _font(name: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 100:
        raise BadRequest(f"{name} must be a family's name of 1 to 100 characters, got {str(value)[:40]!r}")
    return value


def _candidates(name: str, value: object) -> tuple[Shares, ...] | str:
    if value == MODEL:
        return MODEL
    if not isinstance(value, list) or len(value) > MAX_CANDIDATES:
        raise BadRequest(f"{name} must be a list of at most {MAX_CANDIDATES} boxes, got {str(value)[:40]!r}")
    return tuple(checked_shares(f"{name}[{index}]", one) for index, one in enumerate(value))


def _html(name: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_HTML:
        got = f"{len(value)}" if isinstance(value, str) else type(value).__name__
        raise BadRequest(f"{name} must be a page of 1 to {MAX_HTML} characters, got {got}")
    return value.encode("utf-8", "replace").decode()


def _page(name: str, value: object) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise BadRequest(f"{name} must be a width and a height in pixels, got {str(value)[:40]!r}")
    width, height = (_whole(*PAGE_SIDES)(f"{name}[{index}]", side) for index, side in enumerate(value))
    return width, height


NOT_OF_TEMPLATES = frozenset(
    ("align", "spacing", "opacity", "outline", "shadow", "background", "rotation", "vertical")
)
"""What a template says itself."""
SAID = "form, so that only texts, sizes, colours, fonts and places are a request's"
ONLY_OF_TEMPLATES = frozenset(("subline", "accent", "page"))
OF_PAGE = frozenset(("html", "page", "anchor", "box", "candidates", "margin", "contrast"))
"""What may be said of a caller's page: all else is in the page."""

READERS: dict[str, Callable[[str, Any], Any]] = {
    "text": _text,
    "anchor": _word((AUTO, *ANCHORS)),
    "box": lambda name, value: None if value == AUTO else checked_shares(name, value),
    "candidates": _candidates,
    "size": _whole(LEAST_SIZE, MOST_SIZE),
    "min_size": _whole(LEAST_SIZE, MOST_SIZE),
    "lines": _whole(1, MAX_LINES),
    "margin": number(0, 0.4),
    "font": _font,
    "weight": _word(tuple(WEIGHTS)),
    "align": _word(ALIGNS),
    "spacing": number(0.8, 4),
    "colour": _colour,
    "opacity": number(LEAST_OPACITY, 1),
    "outline": effect(Outline),
    "shadow": effect(Shadow),
    "background": effect(Background),
    "contrast": _word(CONTRASTS),
    "rotation": number(-180, 180),
    "vertical": _flag,
    "language": _word(tuple(LANGUAGES)),
    "template": _word(tuple(DESIGNS)),
    "subline": _text,
    "accent": colour_of,
    "html": _html,
    "page": _page,
}
"""By field of a text: what reads its value, given its name for messages. A null is as no field."""
