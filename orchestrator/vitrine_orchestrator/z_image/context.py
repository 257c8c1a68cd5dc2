"""The request context of Z-Image's pipelines."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from vitrine_orchestrator.drawing.context import PictureContext
from vitrine_orchestrator.z_image.facts import ZImageFacts, read_facts


@dataclass(frozen=True)
class ZImageContext(PictureContext):
    """See PictureContext."""

    networks: ClassVar[str] = "z_image"

    @cached_property
    def facts(self) -> ZImageFacts:
        """The checkpoint's sizes, prompt form and defaults."""
        return read_facts(self.manifest)
