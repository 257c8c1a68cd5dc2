"""Token ids of a prompt in the form that the text encoder was trained with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from vitrine.errors import BadRequest

from vitrine_orchestrator.z_image.facts import ZImageFacts


class PromptTokens:
    """The tokenizer with the prompt's frame, a user's message to a chat model. Several threads may use it."""

    def __init__(self, file: Path, facts: ZImageFacts) -> None:
        """Read `file` (tokenizer.json)."""
        self._before, self._after, self._most = (
            facts.prompt_before,
            facts.prompt_after,
            facts.longest_caption,
        )
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._frame = len(self._encoded(""))

    def __call__(self, prompt: str, name: str = "prompt") -> np.ndarray:
        """The ids (n,) int64, frame included; BadRequest for a prompt of too many tokens.

        A longer prompt is refused and not cut: the released pipeline cuts off the frame's end, which the
        network has never seen, and the caller would not know which words count.
        """
        ids = self._encoded(prompt)
        if len(ids) > self._most:
            most = self._most - self._frame
            raise BadRequest(f"{name} must have at most {most} tokens, got {len(ids) - self._frame}")
        return np.array(ids, np.int64)

    def _encoded(self, prompt: str) -> list[int]:
        return self._tokenizer.encode(f"{self._before}{prompt}{self._after}", add_special_tokens=False).ids
