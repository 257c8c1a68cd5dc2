"""The request context of the picture pipelines: the general one, the checkpoint's facts, and adapters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from vitrine_orchestrator.cache.key import digest_of
from vitrine_orchestrator.drawing.facts import PictureFacts
from vitrine_orchestrator.loras.registry import Card, Registry
from vitrine_orchestrator.pipeline.request_context import Context


@dataclass(frozen=True)
class PictureContext(Context, ABC):
    """The request context of picture pipelines; each family's subclass reads its facts."""

    networks: ClassVar[str]  # what the names of the family's stages begin with
    loras: tuple[Card, ...] = ()  # the adapters that the request names

    @property
    def family(self) -> str:
        """The family's name, as requests and jobs name it."""
        return self.manifest.family

    @property
    def registry(self) -> Registry:
        """The adapters for the checkpoint; their cards only, since the tensors are for `denoise`."""
        return Registry(self.lora_folder, self.family, self.manifest.digest, max_bytes=0)

    @property
    def origin(self) -> dict[str, object]:
        """See Context. The pipeline's digest counts the request's adapters: another one under the same name
        draws other pictures."""
        digest = self.manifest.pipeline_digest
        loras = [card.digest for card in self.loras]
        return super().origin | {"pipeline_digest": digest_of(digest, *loras) if loras else digest}

    @property
    @abstractmethod
    def facts(self) -> PictureFacts:
        """The checkpoint's sizes and defaults; Unavailable when the manifest is of another family."""
