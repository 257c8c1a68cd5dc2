"""What a request of `text_overlay` is answered with. It needs no checkpoint, so no manifest."""

from __future__ import annotations

from dataclasses import dataclass, field

from vitrine_orchestrator.lettering.fonts import Fonts
from vitrine_orchestrator.pictures import Limits


@dataclass(frozen=True)
class TextContext:
    """The fonts of the server, and the limits of pictures."""

    fonts: Fonts
    limits: Limits = field(default_factory=Limits)
