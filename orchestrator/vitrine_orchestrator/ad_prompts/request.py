"""Reads a request of `prepare_ad_prompt`, and checks its limits before any work."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from vitrine.errors import BadRequest

from vitrine_orchestrator.ad_prompts.korean import is_english
from vitrine_orchestrator.ad_prompts.lexicon import Slot, choices
from vitrine_orchestrator.ad_prompts.reading import name_of
from vitrine_orchestrator.wire.fields import Inputs, flag, text

MAX_SENTENCE = 1000  # characters
MAX_THEME = 200


@dataclass(frozen=True)
class AdPromptRequest:
    """A checked request; None: the sentence or the tables decide."""

    sentence: str
    trade: str | None = None
    style: str | None = None
    theme: str | None = None
    empty: bool = False  # the scene alone, without the product


def ad_prompt_request(inputs: Inputs) -> AdPromptRequest:
    """The request in the inputs; BadRequest names the input, the rule and the value."""
    sentence = one_line(text(inputs, "sentence", MAX_SENTENCE) or "")
    if not sentence:
        raise BadRequest("sentence must be given: say in Korean or English what the picture advertises")
    return AdPromptRequest(
        sentence=sentence,
        trade=_named(inputs, "trade", "trade"),
        style=_named(inputs, "style", "style"),
        theme=_theme(one_line(text(inputs, "theme", MAX_THEME) or "")),
        empty=flag(inputs, "empty", False),
    )


def one_line(given: str) -> str:
    """The text composed (NFC) and in letters of usual width, with one space for what is not seen."""
    usual = unicodedata.normalize("NFC", "".join(map(_of_usual_width, given)))
    return " ".join("".join(one if one.isprintable() else " " for one in usual).split())


def _of_usual_width(character: str) -> str:
    """The same letter or sign, where a character is one of the wide or narrow forms."""
    width, _, code = unicodedata.decomposition(character).partition(" ")
    return chr(int(code, 16)) if width in ("<wide>", "<narrow>") else character


def _named(inputs: Inputs, name: str, slot: Slot) -> str | None:
    """The row that an input names, in one of the row's words; None when it is absent."""
    given = one_line(text(inputs, name) or "")
    found = name_of(slot, given) if given else None
    if given and found is None:
        known = ", ".join(choices(slot))
        raise BadRequest(
            f"{name} must be one of {known}, or a Korean or English word for it, got {given[:40]!r}"
        )
    return found


def _theme(given: str) -> str | None:
    """The words that a theme adds to a prompt: a row's, or the caller's own in English."""
    if not given or (known := name_of("theme", given)):
        return known if given else None
    if not is_english(given):
        known = ", ".join(choices("theme"))
        raise BadRequest(f"theme must be English words or a word for one of {known}, got {given[:40]!r}")
    return given
