"""The request context of FLUX's pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from vitrine_orchestrator.drawing.context import PictureContext
from vitrine_orchestrator.flux.facts import FluxFacts, read_facts


@dataclass(frozen=True)
class FluxContext(PictureContext):
    """See PictureContext."""

    networks: ClassVar[str] = "flux"

    @cached_property
    def facts(self) -> FluxFacts:
        """The checkpoint's sizes, prompt form and defaults."""
        return read_facts(self.manifest)
