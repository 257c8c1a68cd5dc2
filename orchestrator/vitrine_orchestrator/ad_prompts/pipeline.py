"""The pipeline `prepare_ad_prompt`: from a sentence to the English prompt of an advertising picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from vitrine.errors import BadRequest, Unavailable

from vitrine_orchestrator.ad_prompts.asked import asked
from vitrine_orchestrator.ad_prompts.endpoint import Endpoint
from vitrine_orchestrator.ad_prompts.korean import is_korean
from vitrine_orchestrator.ad_prompts.lexicon import Slot, choices
from vitrine_orchestrator.ad_prompts.reading import Said, name_of, read
from vitrine_orchestrator.ad_prompts.writing import Scene, complete, negative, written
from vitrine_orchestrator.pipeline.request_context import PlainContext, report_array, text_array
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.fields import Inputs, flag, text

MAX_SENTENCE = 1000  # characters
MAX_THEME = 200

TABLES, ENDPOINT = "tables", "endpoint"
"""The two ways in which a prompt is written."""


@dataclass(frozen=True)
class AdPromptRequest:
    """A checked request; None: the sentence or the tables decide."""

    sentence: str
    trade: str | None = None
    style: str | None = None
    theme: str | None = None
    empty: bool = False  # the scene alone, without the product


async def prepare_ad_prompt(
    context: PlainContext, endpoint: Endpoint | None, inputs: Inputs
) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_ad_prompt`; BadRequest says what is wrong with the inputs."""
    timed = Timed(context.stages)
    with timed.measured("total"):
        request = ad_prompt_request(inputs)
        said = read(request.sentence)
        scene = complete(said, request.trade, request.style, request.theme, request.empty)
        prompt, fallback = None, None
        if endpoint is not None:
            try:
                with timed.measured("endpoint"):
                    prompt = await asked(endpoint, request.sentence, scene)
            except Unavailable as error:
                fallback = str(error)
        way = ENDPOINT if prompt else TABLES
        prompt = prompt or written(scene, _by_tables(request, said, fallback))
    return {
        "prompt": text_array(prompt),
        "negative_prompt": text_array(negative(scene)),
        "report": report_array(timed.rounded(), {}, **_told(said, scene), way=way, fallback=fallback),
    }


def ad_prompt_request(inputs: Inputs) -> AdPromptRequest:
    """The request in the inputs; BadRequest names the input, the rule and the value."""
    sentence = text(inputs, "sentence", MAX_SENTENCE)
    if sentence is None:
        raise BadRequest("sentence must be given: say in Korean or English what the picture advertises")
    return AdPromptRequest(
        sentence=sentence,
        trade=_named(inputs, "trade", "trade"),
        style=_named(inputs, "style", "style"),
        theme=_theme(text(inputs, "theme", MAX_THEME)),
        empty=flag(inputs, "empty", False),
    )


def _named(inputs: Inputs, name: str, slot: Slot) -> str | None:
    """The row that an input names, in one of the row's words; None when it is absent."""
    given = text(inputs, name)
    found = name_of(slot, given) if given else None
    if given and found is None:
        known = ", ".join(choices(slot))
        raise BadRequest(
            f"{name} must be one of {known}, or a Korean or English word for it, got {given[:40]!r}"
        )
    return found


def _theme(given: str | None) -> str | None:
    """The words that a theme adds to a prompt: a row's, or the caller's own in English."""
    if given is None or (known := name_of("theme", given)):
        return known if given else None
    if is_korean(given):
        known = ", ".join(choices("theme"))
        raise BadRequest(f"theme must be English words or a word for one of {known}, got {given[:40]!r}")
    return given


def _by_tables(request: AdPromptRequest, said: Said, fallback: str | None) -> str | None:
    """The words of an English sentence, where the tables have no product of it; else None.

    Raises Unavailable or BadRequest for a Korean sentence of which the tables know no word.
    """
    english = not is_korean(request.sentence)
    if english and said.kind is None and said.unread:
        return request.sentence.rstrip(". ")
    if english or not said.is_empty or request.trade:
        return None
    if fallback:
        raise Unavailable(f"{fallback}, and the tables know no word of the sentence")
    raise BadRequest(
        "sentence must name a product or a trade that the tables know, or trade must be given; no word of"
        f" {request.sentence[:40]!r} is known"
    )


def _told(said: Said, scene: Scene) -> dict[str, object]:
    """The report's part about the scene."""
    return {
        "trade": scene.trade.name,
        "style": scene.style,
        "theme": scene.theme or scene.trade.theme,
        "light": {"time": scene.time, "side": scene.side, "words": scene.trade.lighting},
        "props": list(scene.props),
        "product": " ".join(filter(None, (scene.size, scene.colour, scene.subject))),
        "table": scene.table,
        "wall": scene.wall,
        "found": said.found,
        "unread": list(said.unread),
        "assumed": list(scene.assumed),
        "drawn_shop": scene.is_drawn,
    }
