"""The pipeline `prepare_text`: from a garment's description to the five text embeddings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.cache.key import digest_of
from vitrine_orchestrator.pipeline.prepared_items import (
    PreparedItem,
    content_array,
    prepared_outputs,
    recipe_digest,
)
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.facts import TryOnFacts
from vitrine_orchestrator.try_on.tokens import Tokens
from vitrine_orchestrator.wire.fields import Inputs, text

TOKENIZERS = ("tokenizer.json", "tokenizer_2.json")  # files of both text encoders in a version folder

Tokenizers = tuple[Tokens, Tokens]


def read_tokenizers(folder: Path, facts: TryOnFacts) -> Tokenizers:
    """Both encoders' tokenizers from the version folder of `prepare_text`."""
    first, second = (
        Tokens(folder / name, pad_id) for name, pad_id in zip(TOKENIZERS, facts.pad_ids, strict=True)
    )
    return first, second


async def prepare_text(
    context: TryOnContext, tokenizers: Tokenizers, inputs: Inputs
) -> dict[str, np.ndarray]:
    """The outputs of the model `prepare_text` for its inputs; BadRequest says what is wrong with them."""
    stages = Timed(context.stages)
    description = text(inputs, "description")
    if description is None:
        raise BadRequest("description must be given: say what the garment is, such as 'a red shirt'")
    content = digest_of(description)
    item = PreparedItem("text", recipe_digest("prepare_text", context.manifest.pipeline_digest), content)

    async def prepare() -> dict[str, np.ndarray]:
        arrays = await text_arrays(stages, context.facts, tokenizers, description)
        return arrays | content_array(content)

    return await prepared_outputs(context, stages, item, "text", prepare)


async def text_arrays(
    stages: Timed, facts: TryOnFacts, tokenizers: Tokenizers, description: str
) -> dict[str, np.ndarray]:
    """The five embeddings of a description: the outputs of `prepare_text` except key and report.

    As in SDXL, both encoders' hidden states are concatenated; the pooled embedding is the second encoder's.
    """
    prompts = (
        facts.person_prompt.format(description),
        facts.negative_prompt,
        facts.garment_prompt.format(description),
    )
    ids = [np.stack([tokens(prompt) for prompt in prompts]) for tokens in tokenizers]
    first, second = await asyncio.gather(
        stages("text_encoder", {"input_ids": ids[0]}), stages("text_encoder_2", {"input_ids": ids[1]})
    )
    hidden = np.concatenate([first["hidden_states"], second["hidden_states"]], axis=-1)
    return {
        "prompt_embeds": hidden[0],
        "negative_prompt_embeds": hidden[1],
        "pooled_prompt_embeds": second["pooled"][0],
        "negative_pooled_prompt_embeds": second["pooled"][1],
        "garment_prompt_embeds": hidden[2],
    }
