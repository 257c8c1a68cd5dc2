"""The request context of the picture pipelines: the general one, and the facts of the checkpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from vitrine_orchestrator.drawing.facts import PictureFacts
from vitrine_orchestrator.pipeline.request_context import Context


@dataclass(frozen=True)
class PictureContext(Context, ABC):
    """The request context of picture pipelines; each family's subclass reads its facts."""

    networks: ClassVar[str]  # what the names of the family's stages begin with

    @property
    def family(self) -> str:
        """The family's name, as requests and jobs name it."""
        return self.manifest.family

    @property
    @abstractmethod
    def facts(self) -> PictureFacts:
        """The checkpoint's sizes and defaults; Unavailable when the manifest is of another family."""
