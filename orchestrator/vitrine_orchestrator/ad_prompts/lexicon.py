"""All words that a sentence is read by: phrase → what it can mean."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal, Protocol

from vitrine_orchestrator.ad_prompts import scene_words, styles
from vitrine_orchestrator.ad_prompts.kinds import KINDS
from vitrine_orchestrator.ad_prompts.korean import parts, stems, words_of
from vitrine_orchestrator.ad_prompts.props import PROPS
from vitrine_orchestrator.ad_prompts.trades import TRADES

Slot = Literal[
    "trade",
    "kind",
    "prop",
    "colour",
    "size",
    "surface",
    "time",
    "side",
    "style",
    "theme",
    "wall noun",
    "table noun",
    "light noun",
    "negation",
    "filler",
]


class Named(Protocol):
    """A row of any table of words."""

    @property
    def name(self) -> str: ...
    @property
    def korean(self) -> tuple[str, ...]: ...
    @property
    def english(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Meaning:
    """What a phrase of a sentence means: the row `name` of the table of `slot`."""

    slot: Slot
    name: str


@dataclass(frozen=True)
class Found:
    """A phrase of the sentence with its meanings: one, or one for each table that has the phrase.

    A word that no table knows has none.
    """

    said: str
    meanings: tuple[Meaning, ...] = ()
    clause: int = 0  # its number among the parts between commas and full stops
    is_bare: bool = False  # whether it stands without a particle or an ending

    def of(self, slot: Slot) -> str | None:
        """The name in the table of that slot; None where it does not have the phrase."""
        return next((one.name for one in self.meanings if one.slot == slot), None)


FILLERS = scene_words.Word(
    "filler",
    (
        *(
            "위",
            "옆",
            "앞",
            "뒤",
            "놓인",
            "놓여",
            "있는",
            "있고",
            "드는",
            "들어오는",
            "비치는",
            "우리",
            "저희",
            "그리고",
        ),
        *(
            "광고",
            "홍보",
            "이미지",
            "사진",
            "그림",
            "포스터",
            "배너",
            "만들어",
            "만들어줘",
            "만들어주세요",
            "그려줘",
        ),
        *(
            "해줘",
            "해주세요",
            "주세요",
            "느낌",
            "느낌의",
            "분위기",
            "분위기의",
            "스타일",
            "컨셉",
            "쓰는",
            "비치게",
            "비추는",
            "홍보하는",
            "위한",
            "보여줘",
            "담은",
            "어울리는",
        ),
    ),
    (
        *(
            "a",
            "an",
            "the",
            "on",
            "in",
            "of",
            "with",
            "and",
            "from",
            "at",
            "for",
            "to",
            "our",
            "my",
            "is",
            "by",
        ),
        *("please", "make", "draw", "create", "picture", "image", "photo", "advert", "advertisement", "ad"),
        *("poster", "banner", "style", "some", "any", "me", "new"),
        *("not only", "not just", "but", "instead"),
    ),
)

TABLES: tuple[tuple[Slot, Iterable[Named]], ...] = (
    ("kind", KINDS.values()),
    ("prop", PROPS.values()),
    ("trade", TRADES.values()),
    ("colour", scene_words.COLOURS.values()),
    ("surface", scene_words.TABLES.values()),
    ("size", scene_words.SIZES.values()),
    ("time", scene_words.TIMES.values()),
    ("side", scene_words.SIDES.values()),
    ("style", styles.STYLES.values()),
    ("theme", styles.THEMES.values()),
    ("wall noun", (scene_words.WALL_NOUNS,)),
    ("table noun", (scene_words.TABLE_NOUNS,)),
    ("light noun", (scene_words.LIGHT_NOUNS,)),
    ("negation", scene_words.NEGATIONS),
    ("filler", (FILLERS,)),
)

CLAUSE_ENDS = re.compile(r"[,;:!?/()]+(?!\d)|\.+(?=\s|$)")
"""Commas and full stops, but for those within numbers."""


@cache
def lexicon() -> dict[str, tuple[Meaning, ...]]:
    """Phrase, its words joined by one space → its meanings, in the tables' order."""
    found: dict[str, list[Meaning]] = defaultdict(list)
    for slot, rows in TABLES:
        for row in rows:
            for phrase in dict.fromkeys((row.name, *row.korean, *row.english)):
                found[" ".join(words_of(phrase))].append(Meaning(slot, row.name))
    return {phrase: tuple(dict.fromkeys(meanings)) for phrase, meanings in found.items()}


@cache
def _longest() -> int:
    return max(len(phrase.split()) for phrase in lexicon())


def phrases_of(sentence: str) -> list[Found]:
    """All words of a sentence in order, as phrases that the tables know and single words that they do not."""
    return [
        one for number, text in enumerate(CLAUSE_ENDS.split(sentence)) for one in _of_clause(text, number)
    ]


def _of_clause(text: str, number: int) -> Iterator[Found]:
    words, at = words_of(text), 0
    while at < len(words):
        phrase, count = _phrase(words, at)
        said = " ".join(words[at : at + count])
        if phrase is not None:
            yield Found(said, lexicon()[phrase], number, said == phrase)
        else:
            inside = parts(said, _single()) or _negated(said)
            yield from (Found(part, lexicon()[part], number, True) for part in inside)
            if not inside:
                yield Found(said, clause=number)
        at += count


def _negated(word: str) -> list[str]:
    """A known word and the Korean negation that is written onto it, as in 꽃없는; else nothing."""
    for row in scene_words.NEGATIONS:
        for ending in row.korean:
            noun = word.removesuffix(ending)
            if noun != word and (known := next((one for one in stems(noun) if one in lexicon()), None)):
                return [known, ending]
    return []


def _phrase(words: list[str], at: int) -> tuple[str | None, int]:
    """The longest known phrase that begins there, and its number of words; None and 1 where none does."""
    for count in range(min(_longest(), len(words) - at), 0, -1):
        before = words[at : at + count - 1]
        for stem in stems(words[at + count - 1]):
            if (phrase := " ".join([*before, stem])) in lexicon():
                return phrase, count
    return None, 1


@cache
def _single() -> frozenset[str]:
    """The phrases of one Korean word."""
    return frozenset(phrase for phrase in lexicon() if " " not in phrase)


def choices(slot: Slot) -> Iterator[str]:
    """The names in the table of a slot."""
    return (row.name for one, rows in TABLES if one == slot for row in rows)
