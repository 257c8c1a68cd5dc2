"""Words of a Korean or English sentence, and what is left of a Korean word without its particles."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cache

LATIN = "a-zß-öø-ɏḀ-ỿ"
"""Small letters of English, and those with accents, for a set of a pattern."""
OTHER = rf"[^\W\d_{LATIN}가-힣]+"
"""Letters of any other script, and jamo that make up no syllable."""
WORD = re.compile(rf"[0-9]+[a-z]|[{LATIN}][{LATIN}'’-]*[{LATIN}]|[{LATIN}0-9]+|[가-힣]+|{OTHER}")
"""A word of a sentence in small letters; it ends where letters of another script begin."""

PARTICLES = (
    *("에서는", "에서의", "에서도", "으로는", "이라는", "이라고", "입니다", "이에요", "스러운", "같은"),
    *("에서", "에게", "에는", "에도", "에만", "으로", "하고", "이랑", "처럼", "까지", "부터", "마다", "보다"),
    *("라는", "라고", "이나", "들의", "들이", "들을", "들과", "들은", "예요", "적인", "스런"),
    *("은", "는", "이", "가", "을", "를", "의", "에", "로", "와", "과", "랑", "도", "만", "나", "들"),
    *("용", "풍", "색", "인", "한"),
)
"""What stands after a Korean noun: case, topic, "and", copula, and "-like", "-style", "-coloured"."""

LEAST = 2
"""Syllables of a word that begins a compound: shorter ones begin too many other words, as 병 begins 병원."""


def words_of(sentence: str) -> list[str]:
    """The words of a sentence, in small letters."""
    return WORD.findall(sentence.lower())


def is_korean(text: str) -> bool:
    """Whether a text has Hangul."""
    return re.search(r"[가-힣ㄱ-ㅣᄀ-ᇿ]", text) is not None


def is_english(text: str) -> bool:
    """Whether a text has Latin letters, and no letters of another script."""
    small = text.lower()
    return re.search(f"[{LATIN}]", small) is not None and re.search(f"[가-힣]|{OTHER}", small) is None


def of_latin_and_hangul(text: str) -> str:
    """The text without the letters of other scripts."""
    return " ".join(re.sub(OTHER, " ", text, flags=re.IGNORECASE).split())


@cache
def stems(word: str) -> tuple[str, ...]:
    """The word, then what is left without its last particles (at most two) or its English plural."""
    found = [word, *_without(word)]
    found += [shorter for one in found[1:] for shorter in _without(one)]
    return tuple(dict.fromkeys(found))


def _without(word: str) -> Iterator[str]:
    endings = PARTICLES if is_korean(word) else ("'s", "es", "s")
    for ending in endings:
        if word.endswith(ending) and len(word) > len(ending):
            yield word[: -len(ending)]


def parts(word: str, known: Collection[str]) -> list[str]:
    """The known words that make up a word, as in 빨간머그잔을; empty unless they make up all of it."""
    for stem in stems(word):
        if (found := _split(stem, known)) and len(found) > 1:
            return found
    return []


def _split(word: str, known: Collection[str]) -> list[str]:
    """Longest beginnings first."""
    if word in known:
        return [word]
    for end in range(len(word) - 1, LEAST - 1, -1):
        if word[:end] in known and (rest := _split(word[end:], known)):
            return [word[:end], *rest]
    return []
