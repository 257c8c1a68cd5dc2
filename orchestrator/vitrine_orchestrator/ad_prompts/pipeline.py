"""The pipeline `prepare_ad_prompt`: from a sentence to the English prompt of an advertising picture."""

from __future__ import annotations

import re

import numpy as np
from vitrine.errors import BadRequest, Unavailable

from vitrine_orchestrator.ad_prompts.asked import asked
from vitrine_orchestrator.ad_prompts.endpoint import Endpoint
from vitrine_orchestrator.ad_prompts.korean import is_english, of_latin_and_hangul
from vitrine_orchestrator.ad_prompts.reading import Said, read
from vitrine_orchestrator.ad_prompts.request import AdPromptRequest, ad_prompt_request
from vitrine_orchestrator.ad_prompts.writing import Scene, complete, negative, written
from vitrine_orchestrator.pipeline.request_context import PlainContext, report_array, text_array
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.fields import Inputs

TABLES, ENDPOINT = "tables", "endpoint"
"""The two ways in which a prompt is written."""


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


def _by_tables(request: AdPromptRequest, said: Said, fallback: str | None) -> str | None:
    """The words of an English sentence, where the tables have no product of it; else None.

    Raises Unavailable or BadRequest for any other sentence of which the tables know no word.
    """
    own = of_latin_and_hangul(request.sentence)
    unread = any(of_latin_and_hangul(one) for one in said.unread)
    if is_english(own) and said.kind is None and unread:
        return _without_negated(own, said).rstrip(",. ")
    if not said.is_empty or request.trade:
        return None
    if fallback:
        raise Unavailable(f"{fallback}, and the tables know no word of the sentence")
    raise BadRequest(
        "sentence must name a product or a trade that the tables know, or trade must be given; no word of"
        f" {request.sentence[:40]!r} is known"
    )


def _without_negated(own: str, said: Said) -> str:
    """The sentence without what it does not want: a network would draw what a prompt names."""
    for words in said.negated:
        pattern = r"\W+".join(map(re.escape, words.split()))
        own = re.sub(rf"\b{pattern}\b", "", own, flags=re.IGNORECASE)
    return re.sub(r"\s+(?=[,.])", "", " ".join(own.split()))


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
        "without": list(said.without),
        "found": said.found,
        "unread": list(said.unread),
        "assumed": list(scene.assumed),
        "drawn_shop": scene.is_drawn,
    }
