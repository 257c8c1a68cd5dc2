"""A sample in words, English or Korean, and the words read back: the prompt is written from the truth."""

import re
from collections.abc import Iterable
from functools import cache

from vitrine_world.shop.daylight import SIDES, TIMES
from vitrine_world.shop.palette import PRODUCT_COLOURS
from vitrine_world.shop.products import KINDS
from vitrine_world.shop.props import PROPS
from vitrine_world.shop.sampling import SIZES, Facts
from vitrine_world.shop.styles import STYLES
from vitrine_world.shop.trades import TABLES, TRADES, WALLS

LANGUAGES = ("english", "korean")

_FORMS = {
    "english": "a {size} {colour} {kind} on a {table} table in a {trade}, with {first} and {second},"
    " {wall} wall, {time} light from the {light}",
    "korean": "{trade}의 {table} 탁자 위에 놓인 {size} {colour} {kind}, 옆에는 {first}{and_} {second},"
    " {wall} 벽, {light}에서 드는 {time} 빛",
}

_EMPTY_FORMS = {
    "english": _FORMS["english"].replace("a {size} {colour} {kind} on ", ""),
    "korean": _FORMS["korean"].replace(" 위에 놓인 {size} {colour} {kind}", ""),
}
"""The forms of the same scene without its product."""


def _both(rows: Iterable) -> dict[str, dict[str, str]]:
    """Return the words of the rows of a table: language → key → words."""
    return {language: {row.english: getattr(row, language) for row in rows} for language in LANGUAGES}


_WORDS = {
    "size": {
        "english": {name: name for name in SIZES},
        "korean": {name: row[0] for name, row in SIZES.items()},
    },
    "colour": _both(PRODUCT_COLOURS.values()),
    "kind": _both(KINDS.values()),
    "table": _both(TABLES.values()),
    "trade": _both(TRADES.values()),
    "first": _both(PROPS.values()),
    "second": _both(PROPS.values()),
    "wall": _both(WALLS.values()),
    "time": _both(TIMES.values()),
    "light": _both(SIDES.values()),
}
"""Field of a form → language → name in the world → its words."""


def prompt(facts: Facts, language: str = "english", style: str = "plain", product: bool = True) -> str:
    """Return one line with all facts; a style other than "plain" comes first, as in "line drawing: …".

    Without the product it names the scene alone: "a wooden table in a bakery, with …".
    """
    _refuse_unknown(language)
    first, second = facts.props
    values = vars(facts) | {"first": first, "second": second}
    words = {name: table[language][values[name]] for name, table in _WORDS.items()}
    form = (_FORMS if product else _EMPTY_FORMS)[language]
    line = form.format(**words, and_=particle(words["first"]))
    before = getattr(STYLES[style], language)
    return f"{before}: {line}" if before else line


def phrases(language: str) -> tuple[str, ...]:
    """Return the pieces that make every prompt of a language: words of the fields, and what is between."""
    _refuse_unknown(language)
    words = {word for table in _WORDS.values() for word in table[language].values()}
    between = set(re.split(r"\{\w+\}", _FORMS[language]))
    joints = {particle(word) for word in words} if language == "korean" else set()
    styles = {getattr(row, language) for row in STYLES.values()}
    return tuple(sorted((words | between | joints | styles | {": "}) - {""}))


def words(language: str) -> tuple[str, ...]:
    """Return every word of the prompts of a language, as the spaces, commas and colons part them."""
    _refuse_unknown(language)
    first = {name: next(iter(table[language].values())) for name, table in _WORDS.items()}
    rows = [first | {name: word} for name, table in _WORDS.items() for word in table[language].values()]
    lines = [_FORMS[language].format(**row, and_=particle(row["first"])) for row in rows]
    lines += [getattr(style, language) for style in STYLES.values()]
    return tuple(sorted({word for line in lines for word in re.split(r"[ ,:]+", line)} - {""}))


def read_prompt(text: str, language: str = "english") -> tuple[Facts, str]:
    """Return facts and style of a line that `prompt` wrote. Raises ValueError for any other line."""
    _refuse_unknown(language)
    found = _patterns()[language].fullmatch(text)
    if found is None:
        raise ValueError(f"a prompt must have the form {_FORMS[language]!r}, got {text!r}")
    names = {name: _name(table[language], found[name]) for name, table in _WORDS.items()}
    style = _name({name: getattr(row, language) for name, row in STYLES.items()}, found["style"] or "")
    props = (names.pop("first"), names.pop("second"))
    return Facts(props=props, **names), style


def particle(word: str) -> str:
    """Return the Korean "and" after a word: 과 after a final consonant, else 와.

    Hangul syllables count from U+AC00, 28 for each pair of first consonant and vowel (Unicode, section 3.12).
    """
    return "과" if (ord(word[-1]) - 0xAC00) % 28 else "와"


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {language: _pattern(language) for language in LANGUAGES}


def _pattern(language: str) -> re.Pattern[str]:
    """Return the pattern of a language's prompts, with a group for each field."""
    groups = {
        name: f"(?P<{name}>{'|'.join(_longest_first(table[language].values()))})"
        for name, table in _WORDS.items()
    }
    styles = "|".join(_longest_first(getattr(row, language) for row in STYLES.values()))
    return re.compile(f"(?:(?P<style>{styles}): )?" + _FORMS[language].format(**groups, and_="[과와]"))


def _longest_first(words: Iterable[str]) -> list[str]:
    return sorted(map(re.escape, filter(None, words)), key=len, reverse=True)


def _name(words: dict[str, str], word: str) -> str:
    return next(name for name, written in words.items() if written == word)


def _refuse_unknown(language: str) -> None:
    if language not in LANGUAGES:
        raise ValueError(f"language must be one of {LANGUAGES}, got {language!r}")
