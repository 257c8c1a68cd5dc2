"""Boxes that a vision model proposes for texts and products; whoever asked measures them like any other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import cv2
from vitrine.errors import Unavailable

from vitrine_orchestrator.ad_prompts.endpoint import Box, Endpoint, boxes, endpoint_of
from vitrine_orchestrator.pictures import Picture, encode
from vitrine_orchestrator.settings import BadSettings, Settings

SHOWN_SIDE = 1024
"""Pixels of the longer side of the picture that the model sees, at most."""
NOT_SET = "this server has no vision model (VITRINE_VISION_MODEL)"


@dataclass(frozen=True)
class Proposed:
    """What a model proposed, or why it did not."""

    boxes: tuple[Box, ...] = ()
    fallback: str | None = None

    @property
    def told(self) -> dict[str, object]:
        """For a report."""
        return {"boxes": [[round(side, 4) for side in box] for box in self.boxes], "fallback": self.fallback}


def vision_of(settings: Settings) -> Endpoint | None:
    """The endpoint of a deployment's vision model; None where it has none. BadSettings for half of one."""
    if settings.vision_model is None:
        return None
    if settings.llm_url is None:
        raise BadSettings("VITRINE_LLM_URL must be given with VITRINE_VISION_MODEL: the model's endpoint")
    found = endpoint_of(replace(settings, llm_model=settings.vision_model))
    assert found
    return found


async def proposed(endpoint: Endpoint | None, picture: Picture, question: str) -> Proposed:
    """The boxes for a question about a picture (height, width, 3); without an answer, why there is none."""
    if endpoint is None:
        return Proposed(fallback=NOT_SET)
    try:
        shown = await asyncio.to_thread(_shown, picture)
        return Proposed(tuple(await boxes(endpoint, shown, question, "jpeg")))
    except Unavailable as error:
        return Proposed(fallback=str(error))


def _shown(picture: Picture) -> bytes:
    """The picture as the model gets it."""
    height, width = picture.shape[:2]
    share = min(1.0, SHOWN_SIDE / max(height, width))
    if share < 1:
        size = max(1, round(width * share)), max(1, round(height * share))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return encode(picture, "jpeg")
