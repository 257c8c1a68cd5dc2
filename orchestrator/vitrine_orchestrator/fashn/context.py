"""The request context of FASHN VTON's pipelines: the general one, and the facts of the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from vitrine_orchestrator.fashn.facts import FashnFacts, read_facts
from vitrine_orchestrator.pipeline.request_context import Context


@dataclass(frozen=True)
class FashnContext(Context):
    """The request context of FASHN VTON's pipelines; Unavailable when the manifest is of another family."""

    @cached_property
    def facts(self) -> FashnFacts:
        """The checkpoint's canvas and defaults."""
        return read_facts(self.manifest)
