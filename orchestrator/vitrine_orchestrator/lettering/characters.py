"""Checks the characters of a text, composes them, and splits a text into the units that readers see."""

from __future__ import annotations

import unicodedata

from vitrine.errors import BadRequest

MAX_CHARACTERS = 1000
MAX_MARKS = 4
"""Combining marks on one character: more of them would be drawn over the lines around."""

SPACES = {"\t": " ", "\r\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n"}
"""Other white space and line ends, and what stands for them."""
BREAK_HERE = "\u200b"
"""Zero-width space: a line may be broken here; it is never drawn."""
JOINERS = "\u200c\u200d\u2060\ufeff"
"""Zero-width characters that join; they need no glyph."""
_ZERO_WIDTH = {*JOINERS, BREAK_HERE}
_BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
"""Letters, a pattern of Braille and marks that are drawn as nothing."""
_BIDI_CONTROLS = {*map(chr, (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))}
_RIGHT_TO_LEFT = ("R", "AL", "AN")


def checked_text(name: str, text: str) -> str:
    """The text composed (NFC), with plain white space; BadRequest names the first character that is refused.

    Refused are lone surrogates, controls of direction, scripts that are written from right to left, other
    control and unassigned characters, and piles of combining marks.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadRequest(f"{name} must have at most {MAX_CHARACTERS} characters, got {len(text)}")
    for sent, plain in SPACES.items():
        text = text.replace(sent, plain)
    composed = unicodedata.normalize("NFC", text).strip()
    if all(map(_is_blank, composed)):
        raise BadRequest(f"{name} must be given: it has no visible character")
    for character in composed:
        if character != "\n" and (reason := _refusal(character)):
            raise BadRequest(f"{name} must {reason}, got {named(character)}")
    _check_marks(name, composed)
    return composed


def named(character: str) -> str:
    """A character for a message: itself where it can be printed, its code point and its name."""
    shown = f"{character!r} " if character.isprintable() else ""
    return f"{shown}U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()


def clusters(text: str) -> list[str]:
    """The text in parts that are never separated: a character with its marks, selectors and joined ones."""
    parts: list[str] = []
    for character in text:
        after = parts[-1][-1:] if parts else "\n"  # what a mark has before it; at a line's start nothing
        if after != "\n" and (is_attached(character) or after == "\u200d"):
            parts[-1] += character
        else:
            parts.append(character)
    return parts


def is_attached(character: str) -> bool:
    """Whether a character belongs to the one before it: a mark, a selector, a joiner or a later jamo."""
    return (
        unicodedata.category(character) in ("Mn", "Mc", "Me")
        or character in JOINERS
        or "\u1160" <= character <= "\u11ff"  # vowels and finals of conjoining jamo
        or "\U0001f3fb" <= character <= "\U0001f3ff"  # skin tones
    )


def needs_glyph(character: str) -> bool:
    """Whether a font must have the character: not for joiners and variation selectors."""
    return not (character in _ZERO_WIDTH or _is_selector(character))


def _is_selector(character: str) -> bool:
    """Whether a character only chooses a variation of the one before it."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _is_blank(character: str) -> bool:
    """Whether nothing is drawn of a character that may stand in a text."""
    return (
        character == "\n"
        or unicodedata.category(character) == "Zs"
        or character in _ZERO_WIDTH
        or character in _BLANKS
        or _is_selector(character)
    )


def _refusal(character: str) -> str:
    """The rule that a character breaks; empty where it breaks none."""
    category = unicodedata.category(character)
    if category == "Cs":
        return "be valid Unicode without lone surrogates"
    if character in _BIDI_CONTROLS:
        return "have no controls of writing direction"
    if unicodedata.bidirectional(character) in _RIGHT_TO_LEFT:
        return "be written from left to right"
    if category in ("Cc", "Cn", "Co") or (category == "Cf" and character not in _ZERO_WIDTH):
        return "have no control, private or unassigned characters"
    return ""


def _check_marks(name: str, text: str) -> None:
    row = 0
    for character in text:
        row = row + 1 if unicodedata.combining(character) else 0
        if row > MAX_MARKS:
            raise BadRequest(
                f"{name} must have at most {MAX_MARKS} marks on a character, got one more: {named(character)}"
            )
