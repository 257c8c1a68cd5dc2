"""The request context of the cut-out: the general one, and the facts of its network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from vitrine_orchestrator.cut_out.facts import CutOutFacts, read_facts
from vitrine_orchestrator.pipeline.request_context import Context


@dataclass(frozen=True)
class CutOutContext(Context):
    """The request context of the cut-out; Unavailable when the manifest is of another family."""

    @cached_property
    def facts(self) -> CutOutFacts:
        """The network's input and output in numbers."""
        return read_facts(self.manifest)
