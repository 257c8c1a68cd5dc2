"""The request context of the try-on's pipelines: the general one, and the facts of the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from vitrine_orchestrator.pipeline.request_context import Context
from vitrine_orchestrator.try_on.facts import TryOnFacts, read_facts


@dataclass(frozen=True)
class TryOnContext(Context):
    """The request context of try-on pipelines; Unavailable when the manifest is of another family."""

    @cached_property
    def facts(self) -> TryOnFacts:
        """The checkpoint's sizes, prompts and defaults."""
        return read_facts(self.manifest)
