"""Where lines may be broken: a text as pieces that stay whole, at one of three levels.

Words first: Korean and Latin at spaces, Japanese and Chinese between characters where kinsoku allows, but not
within a word of katakana. Only where a text does not fit so may words be broken between syllables, and only
then anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from vitrine_orchestrator.lettering import kinsoku
from vitrine_orchestrator.lettering.characters import BREAK_HERE, JOINERS, clusters
from vitrine_orchestrator.lettering.languages import LANGUAGES

Level = Literal["words", "syllables", "anywhere"]
LEVELS: tuple[Level, ...] = get_args(Level)

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
    paragraphs = [line.strip(kinsoku.SPACES) for line in text.split("\n")]
    pieces: list[Piece] = []
    for paragraph in paragraphs:
        found = _paragraph(paragraph, language, level)
        pieces += [*found[:-1], Piece(found[-1].text, ends=True)]
    return pieces


def _any_of(words: Iterable[str]) -> str:
    """A pattern of one of some words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


SPACE = f"[{kinsoku.SPACES}]"
WORD = re.compile(f"([^{kinsoku.SPACES}]+)({SPACE}*)")
"""A word and the spaces after it."""
SIGN, MULTIPLIER = f"[{re.escape(kinsoku.IN_NUMBERS)}]", f"[{kinsoku.MULTIPLIERS}]"
UNIT = _any_of((*kinsoku.LONG_UNITS, *kinsoku.UNITS))
SPACED_UNIT = _any_of(kinsoku.SPACED_UNITS)
NUMBER = re.compile(
    rf"(?:{SIGN}|(?<![A-Za-z])(?:{_any_of(kinsoku.CURRENCIES)}){SPACE}?{SIGN}?)?"
    rf"\d(?:{MULTIPLIER}*{SIGN}?\d)*{MULTIPLIER}*"
    rf"(?:{UNIT}|(?:{SPACED_UNIT})(?![A-Za-z])|{SPACE}+(?:{SPACED_UNIT}|{UNIT})(?!\w))?"
)
"""A number with its signs, its multipliers and one unit, which may have a space before it."""


def _paragraph(paragraph: str, language: str, level: Level) -> list[Piece]:
    """The pieces of a text without line ends; at least one, which may be empty."""
    whole = {at for found in NUMBER.finditer(paragraph) for at in range(found.start() + 1, found.end())}
    pieces: list[Piece] = []
    for found in WORD.finditer(paragraph):
        word, spaces = found.groups()
        first, *others = _split(word, {at - found.start() for at in whole}, language, level)
        if pieces and found.start() in whole:
            first = pieces[-1].text + pieces.pop().space + first
        parts = [first, *others]
        space = spaces if spaces.strip(" ") else spaces[:1]
        pieces += [*map(Piece, parts[:-1]), Piece(parts[-1], space)]
    return pieces or [Piece("")]


def _split(word: str, whole: set[int], language: str, level: Level) -> list[str]:
    """A word (no spaces) in its parts; `whole` are the places in it at which a number would be parted."""
    parts, at = [""], 0
    units = clusters(word)
    for index, unit in enumerate(units):
        if index and at not in whole and _may_break(units[index - 1], unit, language, level):
            parts.append("")
        parts[-1] += unit.replace(BREAK_HERE, "")
        at += len(unit)
    return [part for part in parts if part] or [""]


def _may_break(before: str, after: str, language: str, level: Level) -> bool:
    """Whether a line may be broken between two units of a word that are not of one number."""
    if before == BREAK_HERE:
        return True
    first, last = after[0], before[0]
    if after == BREAK_HERE or before[-1] in JOINERS or {first, last} & kinsoku.NO_BREAK_SPACES:
        return False
    if any(rule(last, first) for rule in TOGETHER):
        return False
    return BREAKS[level](last, first, LANGUAGES[language].keep_all)


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
