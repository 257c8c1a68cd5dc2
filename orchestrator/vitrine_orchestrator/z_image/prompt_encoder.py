"""Z-Image's work on a prompt: its chat frame, and the text encoder."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from vitrine_orchestrator.drawing.prepare_prompt import EncodePrompt
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.z_image.facts import TOKENIZER, ZImageFacts
from vitrine_orchestrator.z_image.tokens import PromptTokens


def open_encoder(folder: Path, facts: ZImageFacts) -> EncodePrompt:
    """The EncodePrompt of a version folder of `prepare_prompt`, which holds the tokenizer.

    It answers `caption` (n, width): as many tokens as prompt and frame have.
    """
    tokens = PromptTokens(folder / TOKENIZER, facts)

    async def encode(stages: Stages, prompt: str) -> dict[str, np.ndarray]:
        ids = await asyncio.to_thread(tokens, prompt)
        answer = await stages("z_image_text_encoder", {"input_ids": ids[None]})
        return {"caption": answer["features"][0]}

    return encode
