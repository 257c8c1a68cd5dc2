"""The pipeline `text_overlay`: from a picture and texts to the picture with the texts on it."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Mapping

import numpy as np

from vitrine_orchestrator.ad_prompts.proposing import Proposed, proposed
from vitrine_orchestrator.lettering.context import TextContext
from vitrine_orchestrator.lettering.describing import described_fonts, described_picture
from vitrine_orchestrator.lettering.options import TextOptions, with_candidates
from vitrine_orchestrator.lettering.overlay import check_texts, overlaid
from vitrine_orchestrator.lettering.request import TextRequest, keep_clear, sent_texts, text_request
from vitrine_orchestrator.pictures import encode
from vitrine_orchestrator.pipeline.request_context import one_picture, read_aside, report_array, text_array
from vitrine_orchestrator.stages.calls import Stages, Timed
from vitrine_orchestrator.wire.fields import Inputs, flag

QUESTION = (
    "This picture is an advertisement. Where is quiet, free space for {text}? A box must cover no product and"
    " nothing that people look at, and must be large enough to be read."
)


async def text_overlay(context: TextContext, stages: Stages, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `text_overlay`; BadRequest names the text, the limit and the value.

    A text with candidates "model" asks the vision model first. It calls no stage; `stages` is only timed.
    All work is done in threads. With `describe` true no text is set: see `describe`.
    """
    if flag(inputs, "describe", False):
        return await describe(context, stages, inputs)
    timed = Timed(stages)
    with timed.measured("total"):
        with timed.measured("decode"):
            request = await read_aside(lambda: text_request(context, inputs), inputs)
        asked = await _asked(context, request, timed)
        with timed.measured("texts"):
            proposals = {index: one.boxes for index, one in asked.items()}
            texts = with_candidates(request.texts, proposals)
            picture, told = await asyncio.to_thread(
                overlaid, request.picture, texts, context.setters, request.keep_clear
            )
        with timed.measured("encode"):
            image = await asyncio.to_thread(encode, picture, request.format)
    height, width = picture.shape[:2]
    return {
        "image": text_array(b64encode(image) if request.as_text else image),
        "report": report_array(timed.rounded(), {}, size=[width, height], texts=_told(told, asked)),
    }


async def describe(context: TextContext, stages: Stages, inputs: Inputs) -> dict[str, np.ndarray]:
    """A report alone: `fonts` of this server, and `picture` where an image is given.

    lettering.describing says their fields. BadRequest for a picture or a mask that cannot be read. Where
    texts are given, BadRequest too for what is wrong with them on any picture: fields, fonts, characters.
    """
    timed = Timed(stages)
    with timed.measured("total"):
        if "texts" in inputs:
            await asyncio.to_thread(check_texts, sent_texts(inputs), context.setters)
        told = {"fonts": await asyncio.to_thread(described_fonts, context.setters.fonts)}
        with timed.measured("decode"):
            picture = await read_aside(lambda: one_picture(inputs, "image", context.limits), inputs)
        if picture is not None:
            keep = keep_clear(inputs, picture)
            told["picture"] = await asyncio.to_thread(described_picture, picture, keep)
    return {"report": report_array(timed.rounded(), {}, **told)}


async def _asked(context: TextContext, request: TextRequest, timed: Timed) -> dict[int, Proposed]:
    """What the vision model proposes for each text that asks for it, all at the same time."""
    wanted = [index for index, one in enumerate(request.texts) if one.ask]
    if not wanted:
        return {}
    questions = [QUESTION.format(text=_shown(request.texts[index])) for index in wanted]
    with timed.measured("vision"):
        found = await asyncio.gather(
            *(proposed(context.vision, request.picture, question) for question in questions)
        )
    return dict(zip(wanted, found, strict=True))


def _shown(options: TextOptions) -> str:
    """A text in the question about it; of a page only its form is said."""
    if options.html is not None:
        return f"a block of {options.page[0]} by {options.page[1]} pixels"
    return f'the text "{" ".join(options.text.split())[:100]}"'


def _told(told: list[dict[str, object]], asked: Mapping[int, Proposed]) -> list[dict[str, object]]:
    """The reports of the texts, with what was proposed and why it was not used."""
    for index, one in asked.items():
        unused = told[index]["found_by"] != "candidate" and not one.fallback
        why = {"fallback": "none of them fits the text and covers nothing"} if unused else {}
        told[index]["proposed"] = one.told | why
    return told
