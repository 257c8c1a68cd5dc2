"""What a sentence does not want: the phrases before 없이 and 말고, and those after "without" and "no"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vitrine_orchestrator.ad_prompts.korean import is_korean, stems
from vitrine_orchestrator.ad_prompts.lexicon import Found, Slot

SILENT: tuple[Slot, ...] = ("filler", "wall noun", "table noun", "light noun", "negation")
"""Slots whose phrases add nothing to a prompt."""
OF_NOUNS: tuple[Slot, ...] = ("colour", "size", "surface")
"""Slots of words that stand before a noun and belong to it."""
OR = ("or", "nor")
LONG = ("without", "except", "excluding")
"""Negations after which an unknown word belongs to the noun behind it; in "no sugar latte" it does not."""
WITH = ("과", "와", "랑", "이랑", "하고", "이나", "나")
"""Particles that join a noun to the next one, so that a negation is of both."""
MOST_WORDS = 2
"""English words that no table knows and a negation takes."""

AVOIDED = {
    "사람": "people",
    "인물": "people",
    "모델": "people",
    "손님": "people",
    "손": "hands",
    "얼굴": "faces",
    "글자": "text",
    "글씨": "text",
    "텍스트": "text",
    "로고": "logo",
    "그림자": "shadows",
    "동물": "animals",
    "장식": "decoration",
    "소품": "props",
    "연기": "smoke",
}
"""Korean words that are read where they are negated, and what they become in a negative prompt."""


@dataclass(frozen=True)
class Wanted:
    """The phrases of a sentence that it wants, and in English what it does not."""

    phrases: list[Found]  # in order, with those that no table knows
    without: tuple[str, ...]  # names of the tables, and English words
    negated: tuple[str, ...]  # the words of the sentence that said so, such as "without coffee beans"


def wanted(phrases: Sequence[Found]) -> Wanted:
    """The phrases apart from negations and what they negate."""
    gone: set[int] = set()
    without: list[str] = []
    negated: list[str] = []
    for at, one in enumerate(phrases):
        if (way := one.of("negation")) is None:
            continue
        taken = _before(phrases, at) if way == "after a noun" else _after(phrases, at)
        gone |= {at, *taken}
        without += [name for index in taken if (name := _name(phrases[index]))]
        negated.append(" ".join(phrases[index].said for index in sorted({at, *taken})))
    left = [one for index, one in enumerate(phrases) if index not in gone]
    return Wanted(left, tuple(dict.fromkeys(without)), tuple(negated))


def _before(phrases: Sequence[Found], at: int) -> list[int]:
    """The places of a noun before a Korean negation, of the words before it, and of nouns joined to it."""
    taken: list[int] = []
    for index in range(at - 1, -1, -1):
        one = phrases[index]
        joined = index == at - 1 or one.said.endswith(WITH) or _is_of(one, phrases[index + 1])
        if one.clause != phrases[at].clause or not joined or not (one.meanings or _name(one)):
            break
        taken.append(index)
    return taken[::-1]


def _after(phrases: Sequence[Found], at: int) -> list[int]:
    """The places of the words after an English negation up to its noun, and of nouns joined by "or"."""
    taken: list[int] = []
    unknown = 0
    for index in range(at + 1, len(phrases)):
        one, last = phrases[index], phrases[index - 1]
        unknown += not one.meanings
        goes_on = _goes_on(last, one) or (phrases[at].said in LONG and not last.meanings and _is_noun(one))
        ended = taken and not goes_on and not {last.said, one.said} & set(OR)
        if one.clause != phrases[at].clause or ended or unknown > MOST_WORDS or is_korean(one.said):
            break
        taken.append(index)
    return taken


def _goes_on(last: Found, one: Found) -> bool:
    """Whether an English noun phrase goes on: after "the", from a colour to its noun, in unknown words."""
    if last.of("filler"):
        return not one.of("filler")
    return _is_of(last, one) or not (last.meanings or one.meanings)


def _is_of(one: Found, noun: Found) -> bool:
    """Whether a word belongs to the noun right after it, as a colour does."""
    adjective = any(one.of(slot) for slot in OF_NOUNS) and not noun.of("negation")
    return adjective and (_is_noun(noun) or not noun.meanings)


def _is_noun(phrase: Found) -> bool:
    return bool(phrase.of("kind") or phrase.of("prop"))


def _name(phrase: Found) -> str | None:
    """What a negative prompt says of a phrase; None for one that adds nothing, or has no English."""
    if phrase.meanings:
        first = phrase.meanings[0]
        return None if first.slot in SILENT else first.name
    if is_korean(phrase.said):
        return next((AVOIDED[stem] for stem in stems(phrase.said) if stem in AVOIDED), None)
    return phrase.said if phrase.said.isascii() and phrase.said not in OR else None
