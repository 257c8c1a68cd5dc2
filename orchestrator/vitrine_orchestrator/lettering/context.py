"""What a request of `text_overlay` is answered with. It needs no checkpoint, so no manifest."""

from __future__ import annotations

from dataclasses import dataclass, field

from vitrine_orchestrator.ad_prompts.endpoint import Endpoint
from vitrine_orchestrator.lettering.overlay import Setters
from vitrine_orchestrator.pictures import Limits


@dataclass(frozen=True)
class TextContext:
    """What sets texts on this server, and the limits of pictures."""

    setters: Setters
    limits: Limits = field(default_factory=Limits)
    vision: Endpoint | None = None  # the model that proposes boxes where a text asks for it
