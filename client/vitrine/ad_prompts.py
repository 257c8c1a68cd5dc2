"""The call of `prepare_ad_prompt`: a sentence about a shop's product becomes the prompt of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Required, TypedDict

import numpy as np

from vitrine.answers import read_report, read_text
from vitrine.errors import BadRequest
from vitrine.frozen import FrozenDict
from vitrine.inputs import Tensors, byte_tensor, utf8


class AdPromptOptions(TypedDict, total=False):
    """The options of an advertising prompt; the server decides what is omitted."""

    sentence: Required[str]  # Korean or English: what the picture advertises
    trade: str | None  # "cafe", "florist", "카페": see docs/ad-prompts.md
    style: str | None  # "realistic", "semi-realistic", "anime", "illustration"
    theme: str | None  # the mood: "spring", "할인", or own English words
    empty: bool  # the scene alone: a product is put into it afterwards


@dataclass(frozen=True)
class AdPrompt:
    """The English prompt of an advertising picture, with the server's report on how it was written."""

    prompt: str
    negative_prompt: str  # by style; needs a guidance of more than 0, and not with FLUX
    way: str  # "tables", or "endpoint": a language model wrote it
    fallback: str | None  # why the endpoint's answer was not used
    report: Mapping[str, Any]  # trade, style, light, props, words found and not found, …


def ad_prompt_inputs(
    *,
    sentence: str,
    trade: str | None = None,
    style: str | None = None,
    theme: str | None = None,
    empty: bool = False,
) -> dict[str, np.ndarray]:
    """Return the inputs of the model `prepare_ad_prompt`; see AdPromptOptions."""
    given = {"sentence": sentence, "trade": trade, "style": style, "theme": theme}
    if sentence is None:
        raise BadRequest("sentence must be given: say what the picture advertises")
    inputs = {name: byte_tensor([utf8(name, one)]) for name, one in given.items() if one is not None}
    return {**inputs, "empty": np.array([True])} if empty else inputs


def read_ad_prompt(outputs: Tensors) -> AdPrompt:
    """Read the outputs of `prepare_ad_prompt`; VitrineError for an answer that cannot be read."""
    report = read_report(outputs)
    return AdPrompt(
        prompt=read_text(outputs, "prompt"),
        negative_prompt=read_text(outputs, "negative_prompt"),
        way=str(report.get("way", "")),
        fallback=report.get("fallback"),
        report=FrozenDict(report),
    )
