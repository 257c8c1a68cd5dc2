"""FLUX's work on a prompt: T5's features of all tokens, and CLIP's of the whole prompt."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from vitrine.errors import BadRequest

from vitrine_orchestrator.drawing.prepare_prompt import EncodePrompt
from vitrine_orchestrator.flux.facts import TOKENIZER, TOKENIZER_2, FluxFacts
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.stages.flux import CLIP_TOKENS


def open_encoder(folder: Path, facts: FluxFacts) -> EncodePrompt:
    """The EncodePrompt of a version folder of `prepare_prompt`, which holds both tokenizers.

    It answers `caption` (facts.prompt_tokens, width), padding included, and `pooled` (pooled width,).
    """
    clip = ClipTokens(folder / TOKENIZER, facts.pad_id)
    t5 = T5Tokens(folder / TOKENIZER_2, facts.pad_id_2, facts.prompt_tokens)

    async def encode(stages: Stages, prompt: str) -> dict[str, np.ndarray]:
        long, short = await asyncio.to_thread(lambda: (t5(prompt), clip(prompt)))
        features, pooled = await asyncio.gather(
            stages("flux_text_encoder_2", {"input_ids": long[None]}),
            stages("flux_text_encoder", {"input_ids": short[None]}),
        )
        return {"caption": features["features"][0], "pooled": pooled["pooled"][0]}

    return encode


class T5Tokens:
    """T5's token ids of a prompt. Several threads may use it."""

    def __init__(self, file: Path, pad_id: int, length: int) -> None:
        """Read `file` (tokenizer.json); every answer has `length` ids."""
        self._pad_id, self._length = pad_id, length
        self._tokenizer = _open(file)
        self._frame = len(self._tokenizer.encode("").ids)

    def __call__(self, prompt: str) -> np.ndarray:
        """The ids (length,) int64: prompt, end, padding; BadRequest for a prompt of too many tokens.

        A longer prompt is refused and not cut, since the caller would not know which words count.
        """
        ids = self._tokenizer.encode(prompt).ids
        if len(ids) > self._length:
            most = self._length - self._frame
            raise BadRequest(f"prompt must have at most {most} tokens, got {len(ids) - self._frame}")
        return _filled(ids, self._length, self._pad_id)


class ClipTokens:
    """CLIP's token ids of a prompt. Several threads may use it."""

    def __init__(self, file: Path, pad_id: int) -> None:
        """Read `file` (tokenizer.json)."""
        self._pad_id, self._tokenizer = pad_id, _open(file)
        self._tokenizer.enable_truncation(CLIP_TOKENS)

    def __call__(self, prompt: str) -> np.ndarray:
        """The ids (77,) int64: start, prompt, end, padding.

        A long prompt is cut, as the released pipeline does: T5 reads all of it.
        """
        return _filled(self._tokenizer.encode(prompt).ids, CLIP_TOKENS, self._pad_id)


def _open(file: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _filled(ids: list[int], length: int, pad_id: int) -> np.ndarray:
    filled = np.full(length, pad_id, np.int64)
    filled[: len(ids)] = ids
    return filled
