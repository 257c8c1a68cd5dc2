"""The pipeline `prepare_prompt`: from a prompt to the features that the transformer reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.cache.key import digest_of
from vitrine_orchestrator.drawing.asked_loras import lora_names
from vitrine_orchestrator.drawing.cache_rows import prompt_category
from vitrine_orchestrator.drawing.context import PictureContext
from vitrine_orchestrator.pipeline.prepared_items import (
    PreparedItem,
    content_array,
    prepared_outputs,
    recipe_digest,
)
from vitrine_orchestrator.stages.calls import Stages, Timed
from vitrine_orchestrator.wire.fields import Inputs, text

MAX_PROMPT = 10_000  # characters; longer texts are refused before they are cut into tokens

EncodePrompt = Callable[[Stages, str], Awaitable[dict[str, np.ndarray]]]
"""A family's work: from a prompt to its inputs of `denoise`, `caption` (n, width) float32 among them.

BadRequest for a prompt of too many tokens.
"""


async def prepare_prompt(
    context: PictureContext, encode: EncodePrompt, inputs: Inputs
) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_prompt`: the family's features of the prompt, `prompt_key`, `report`.

    An empty prompt is allowed: the released pipelines take it as negative prompt. Adapters (`lora`) change no
    feature, only the report's digest, which is then that of the pictures that are drawn with them.
    """
    if "prompt" not in inputs:
        raise BadRequest("prompt must be given")
    stages = Timed(context.stages)
    prompt = text(inputs, "prompt", MAX_PROMPT) or ""
    content = digest_of(prompt)
    recipe = recipe_digest("prepare_prompt", context.manifest.pipeline_digest)
    item = PreparedItem(prompt_category(context.networks), recipe, content)

    async def prepare() -> dict[str, np.ndarray]:
        return await encode(stages, prompt) | content_array(content)

    loras = tuple(context.registry.card(name) for name in lora_names(inputs))
    return await prepared_outputs(replace(context, loras=loras), stages, item, "prompt", prepare)
