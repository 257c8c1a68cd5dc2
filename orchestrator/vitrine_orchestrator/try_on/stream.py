"""The pipeline `try_on_stream`: the same as `try_on`, with progress events and previews."""

from __future__ import annotations

import numpy as np

from vitrine_orchestrator.person.prepare import picture as as_picture
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.pipeline.progress import Send
from vitrine_orchestrator.pipeline.try_on import streamed
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.pipeline import run
from vitrine_orchestrator.wire.fields import Inputs


async def try_on_stream(context: TryOnContext, inputs: Inputs, send: Send) -> dict[str, np.ndarray]:
    """Send progress events during the work; return the last response: `try_on`'s outputs and its event."""

    async def painted(latents: np.ndarray) -> Picture:
        answer = await context.stages("vae_decoder", {"latents": latents[None]})
        return as_picture(answer["pixels"][0])

    return await streamed(context, inputs, send, run, painted)
