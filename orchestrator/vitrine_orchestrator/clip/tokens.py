"""Token ids of a prompt for CLIP, which reads 77 tokens and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from vitrine_orchestrator.clip.facts import ClipFacts
from vitrine_orchestrator.stages.clip import LENGTH

_CLAUSE_END = re.compile(r"(?<=[,.;:!?])(?=\s)|(?<=[\n。，、；！？])")
"""Places after which a prompt can end: punctuation, of CJK too."""


@dataclass(frozen=True, eq=False)
class Read:
    """What CLIP reads of a prompt."""

    ids: np.ndarray  # (77,) int64: start, text, end, padding
    text: str  # the part of the prompt that the ids hold
    tokens: int  # of the whole prompt, start and end included
    cut: str  # "no", "clause": clauses at the end are left out, "token": the first clause itself is cut


class ClipTokens:
    """The checkpoint's tokenizer. Several threads may use it."""

    def __init__(self, file: Path, facts: ClipFacts) -> None:
        """Read `file` (tokenizer.json)."""
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._pad = facts.pad_id

    def __call__(self, prefix: str, prompt: str) -> Read:
        """What CLIP reads of `prefix` + `prompt`.

        A prompt that does not fit loses clauses from its end: its beginning names the subject, and half a
        clause can mean something else than the whole. A first clause that does not fit is cut.
        """
        whole = self._tokenizer.encode(prefix + prompt)
        if len(whole.ids) <= LENGTH:
            return Read(self._padded(whole.ids), prefix + prompt, len(whole.ids), "no")
        if longest := self._longest(prefix, prompt):
            return Read(self._padded(longest[1]), longest[0], len(whole.ids), "clause")
        kept = LENGTH - 1  # and the end
        ids = [*whole.ids[:kept], whole.ids[-1]]
        text = (prefix + prompt)[: whole.offsets[kept - 1][1]]
        return Read(self._padded(ids), text, len(whole.ids), "token")

    def _longest(self, prefix: str, prompt: str) -> tuple[str, list[int]] | None:
        """The longest beginning of whole clauses that fits, after the prefix, and its ids."""
        longest = None
        for clauses in _beginnings(prompt):
            ids = self._tokenizer.encode(prefix + clauses).ids
            if len(ids) > LENGTH:
                break
            longest = prefix + clauses, ids
        return longest

    def _padded(self, ids: list[int]) -> np.ndarray:
        return np.array(ids + [self._pad] * (LENGTH - len(ids)), np.int64)


def _beginnings(prompt: str) -> Iterator[str]:
    """The prompt's first clause, its first two, …, up to all but its last."""
    clauses = [part for part in _CLAUSE_END.split(prompt) if part.strip()]
    for count in range(1, len(clauses)):
        yield "".join(clauses[:count]).rstrip(" ,;:\n，、；")
