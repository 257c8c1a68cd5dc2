"""Where lines may be broken: a text as pieces that stay whole, at one of three levels.

Words first: Korean and Latin at spaces, Japanese and Chinese between characters where kinsoku allows, but not
within a word of katakana. Only where a text does not fit so may words be broken between syllables, and only
then anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from vitrine_orchestrator.lettering import kinsoku
from vitrine_orchestrator.lettering.characters import BREAK_HERE, JOINERS, clusters
from vitrine_orchestrator.lettering.languages import LANGUAGES

Level = Literal["words", "syllables", "anywhere"]
LEVELS: tuple[Level, ...] = get_args(Level)

SPACE = " "
WIDE = (  # first and last characters of scripts that are written without spaces
    *(("\u2e80", "\u303f"), ("\u3040", "\u30ff"), ("\u3130", "\u318f"), ("\u31f0", "\u31ff")),
    *(("\u3200", "\u4dbf"), ("\u4e00", "\u9fff"), ("\ua960", "\ua97f"), ("\uac00", "\ud7ff")),
    *(("\uf900", "\ufaff"), ("\ufe30", "\ufe4f"), ("\uff00", "\uff60"), ("\uffe0", "\uffe6")),
    *(("\u1100", "\u11ff"), ("\U00020000", "\U0003ffff")),
)


@dataclass(frozen=True)
class Piece:
    """A part of a line that stays whole."""

    text: str
    space: str = ""  # after it; not drawn where the line is broken
    ends: bool = False  # whether the text has a line end here


def pieces_of(text: str, language: str, level: Level = "words") -> list[Piece]:
    """The pieces of a checked text. Their texts and spaces are the text without its breaks."""
    paragraphs = [line.strip(SPACE) for line in text.split("\n")]
    pieces: list[Piece] = []
    for paragraph in paragraphs:
        found = _paragraph(paragraph, language, level)
        pieces += [*found[:-1], Piece(found[-1].text, ends=True)]
    return pieces


def _paragraph(paragraph: str, language: str, level: Level) -> list[Piece]:
    """The pieces of a text without line ends; at least one, which may be empty."""
    words = [word for word in paragraph.split(SPACE) if word]
    pieces: list[Piece] = []
    for index, word in enumerate(words):
        parts = _split(word, language, level)
        space = SPACE if index + 1 < len(words) else ""
        pieces += [*map(Piece, parts[:-1]), Piece(parts[-1], space)]
    return _joined(pieces) or [Piece("")]


def _joined(pieces: list[Piece]) -> list[Piece]:
    """The pieces with numbers and their units as one, though a space is between."""
    joined: list[Piece] = []
    for piece in pieces:
        before = joined[-1] if joined else None
        if before and before.space and _is_measure(before.text, piece.text):
            joined[-1] = Piece(before.text + before.space + piece.text, piece.space)
        else:
            joined.append(piece)
    return joined


def _is_measure(before: str, after: str) -> bool:
    """Whether two words beside a space are a number and its unit."""
    if before[-1:].isdigit():
        return after.strip(",.!?)~") in kinsoku.SPACED_UNITS
    return before in kinsoku.CURRENCIES and after[:1].isdigit()


def _split(word: str, language: str, level: Level) -> list[str]:
    """A word (no spaces) in its parts."""
    parts = [""]
    units = clusters(word)
    for index, unit in enumerate(units):
        if index and _may_break(units[index - 1], unit, units[index + 1 : index + 2], language, level):
            parts.append("")
        parts[-1] += unit.replace(BREAK_HERE, "")
    return [part for part in parts if part] or [""]


def _may_break(before: str, after: str, then: list[str], language: str, level: Level) -> bool:
    """Whether a line may be broken between two units of a word; `then` is the unit after them, if any."""
    if before == BREAK_HERE:
        return True
    first, last = after[0], before[0]
    if after == BREAK_HERE or before[-1] in JOINERS or "\u00a0" in (first, last):
        return False
    if _in_number(last, first, then) or any(rule(last, first) for rule in TOGETHER):
        return False
    return BREAKS[level](last, first, LANGUAGES[language].keep_all)


def _in_number(last: str, first: str, then: list[str]) -> bool:
    """Whether two characters belong to one number with its signs and its unit."""
    if last.isdigit():
        after_sign = first in kinsoku.IN_NUMBERS and bool(then) and then[0][0].isdigit()
        return first.isdigit() or first in kinsoku.UNITS or after_sign
    return last in kinsoku.IN_NUMBERS and first.isdigit()


TOGETHER: tuple[Callable[[str, str], bool], ...] = (
    lambda last, first: first in kinsoku.NO_START,
    lambda last, first: last in kinsoku.NO_END,
    lambda last, first: last == first and last in kinsoku.TOGETHER,
    lambda last, first: last in kinsoku.QUOTES or first in kinsoku.QUOTES,
)
"""Rules by which two neighbours are never parted."""


def _is_wide(character: str) -> bool:
    return any(low <= character <= high for low, high in WIDE)


def _is_katakana(character: str) -> bool:
    """Katakana writes whole words, mostly foreign ones."""
    return "\u30a1" <= character <= "\u30ff" or "\uff66" <= character <= "\uff9f"


def _words(last: str, first: str, keep_all: bool) -> bool:
    if last in "-/" and first.isalpha():
        return True
    one_word = keep_all or (_is_katakana(last) and _is_katakana(first))
    return not one_word and (_is_wide(last) or _is_wide(first))


BREAKS: dict[Level, Callable[[str, str, bool], bool]] = {
    "words": _words,
    "syllables": lambda last, first, keep_all: (
        _words(last, first, keep_all) or (_is_wide(last) and _is_wide(first))
    ),
    "anywhere": lambda last, first, keep_all: True,
}
"""By level: whether two neighbours that no rule keeps together may be parted."""
