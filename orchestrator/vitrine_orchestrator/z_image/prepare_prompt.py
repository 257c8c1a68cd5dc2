"""The pipeline `prepare_prompt`: from a prompt to the features that the transformer reads."""

from __future__ import annotations

import asyncio

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.pipeline.request_context import report_array
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.fields import Inputs, text
from vitrine_orchestrator.z_image.context import PictureContext
from vitrine_orchestrator.z_image.tokens import PromptTokens

MAX_PROMPT = 10_000  # characters; longer texts are refused before they are cut into tokens


async def prepare_prompt(
    context: PictureContext, tokens: PromptTokens, inputs: Inputs
) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_prompt`: `caption` (n, width) float32, and `report`.

    An empty prompt is allowed: the released pipeline takes it as negative prompt.
    """
    if "prompt" not in inputs:
        raise BadRequest("prompt must be given")
    stages = Timed(context.stages)
    prompt = text(inputs, "prompt", MAX_PROMPT) or ""
    ids = await asyncio.to_thread(tokens, prompt)
    features = (await stages("z_image_text_encoder", {"input_ids": ids[None]}))["features"][0]
    return {
        "caption": features,
        "report": report_array(stages.rounded(), {}, tokens=len(ids), **context.origin),
    }
