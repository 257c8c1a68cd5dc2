"""The pipeline `text_overlay`: from a picture and texts to the picture with the texts on it."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import numpy as np

from vitrine_orchestrator.lettering.context import TextContext
from vitrine_orchestrator.lettering.overlay import overlaid
from vitrine_orchestrator.lettering.request import text_request
from vitrine_orchestrator.pictures import encode
from vitrine_orchestrator.pipeline.request_context import read_aside, report_array, text_array
from vitrine_orchestrator.stages.calls import Stages, Timed
from vitrine_orchestrator.wire.fields import Inputs


async def text_overlay(context: TextContext, stages: Stages, inputs: Inputs) -> dict[str, np.ndarray]:
    """The outputs of the model `text_overlay`; BadRequest names the text, the limit and the value.

    It calls no stage; `stages` is only timed. All work is done in threads.
    """
    timed = Timed(stages)
    with timed.measured("total"):
        with timed.measured("decode"):
            request = await read_aside(lambda: text_request(context, inputs), inputs)
        with timed.measured("texts"):
            picture, texts = await asyncio.to_thread(
                overlaid, request.picture, request.texts, context.setters, request.keep_clear
            )
        with timed.measured("encode"):
            image = await asyncio.to_thread(encode, picture, request.format)
    height, width = picture.shape[:2]
    return {
        "image": text_array(b64encode(image) if request.as_text else image),
        "report": report_array(timed.rounded(), {}, size=[width, height], texts=texts),
    }
