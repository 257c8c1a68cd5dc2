"""The request context of the picture pipelines: the general one, and the facts of the checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from vitrine_orchestrator.pipeline.request_context import Context
from vitrine_orchestrator.z_image.facts import ZImageFacts, read_facts


@dataclass(frozen=True)
class PictureContext(Context):
    """The request context of picture pipelines; Unavailable when the manifest is of another family."""

    @cached_property
    def facts(self) -> ZImageFacts:
        """The checkpoint's sizes, prompt form and defaults."""
        return read_facts(self.manifest)
