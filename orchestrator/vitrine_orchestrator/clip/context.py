"""The request context of CLIP's pipeline: the general one, and the facts of the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from vitrine_orchestrator.clip.facts import ClipFacts, read_facts
from vitrine_orchestrator.pipeline.request_context import Context


@dataclass(frozen=True)
class ScoreContext(Context):
    """The request context of `score`; Unavailable when the manifest is of another family."""

    @cached_property
    def facts(self) -> ClipFacts:
        """The checkpoint's name and sizes."""
        return read_facts(self.manifest)
