"""The pipeline `try_on_stream`: the same as `try_on`, with progress events and previews."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Callable

import numpy as np

from vitrine_orchestrator.person.prepare import picture as as_picture
from vitrine_orchestrator.pictures import encode
from vitrine_orchestrator.pipeline.denoising import RunLog
from vitrine_orchestrator.pipeline.request_context import read_aside, read_report, text_array
from vitrine_orchestrator.pipeline.try_on_request import TryOnRequest, read_request
from vitrine_orchestrator.stages.calls import Arrays, Stages, Timed
from vitrine_orchestrator.try_on.context import TryOnContext
from vitrine_orchestrator.try_on.pipeline import run
from vitrine_orchestrator.wire.fields import Inputs

Send = Callable[[dict[str, np.ndarray]], None]


async def try_on_stream(context: TryOnContext, inputs: Inputs, send: Send) -> dict[str, np.ndarray]:
    """Send progress events during the work; return the last response: `try_on`'s outputs and its event."""
    stages = Timed(context.stages)
    with stages.measured("total"), stages.measured("decode"):
        request = await read_aside(lambda: read_request(context, inputs), inputs)
    follow = ProgressSender(context.stages, request, send)
    outputs = await run(context, request, RunLog(stages), follow)
    return {"event": _event("result"), **outputs}


class ProgressSender:
    """Sends the progress of denoising jobs as events: step, steps, seconds elapsed, seconds left."""

    def __init__(
        self, stages: Stages, request: TryOnRequest, send: Send, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.stages, self.request, self.send, self.clock = stages, request, send, clock
        self.start = clock()

    async def __call__(self, job: str, garment: int) -> None:
        """Send events until the job's last step. A slow preview skips steps; it does not delay denoising."""
        self._send_event(garment, 0, None, {})
        step, state = 0, "waiting"
        while state in ("waiting", "running"):
            poll = {"job": text_array(job), "after_step": np.array([step], np.int32)}
            answer = await self.stages("denoise", poll)
            report = read_report(answer)
            state = report["state"]
            if report["step"] > step:
                step = report["step"]
                self._send_event(garment, step, report["left_s"], await self._preview(step, answer))

    def _send_event(
        self, garment: int, step: int, left_s: float | None, preview: dict[str, np.ndarray]
    ) -> None:
        """Send one event. Steps count over all garments; the time left includes the garments to come."""
        steps, done = self.request.steps, garment * self.request.steps + step
        elapsed_s = self.clock() - self.start
        if left_s is not None and step:
            coming = len(self.request.garments) - garment - 1
            left_s += coming * elapsed_s / done * steps
        event = _event(
            "progress",
            step=done,
            steps=steps * len(self.request.garments),
            elapsed_s=round(elapsed_s, 3),
            left_s=None if left_s is None else round(left_s, 3),
        )
        self.send({"event": event, **preview})

    async def _preview(self, step: int, progress: Arrays) -> dict[str, np.ndarray]:
        """The output `image`: the picture so far. Empty after the last step, whose picture is the result."""
        if not self.request.previews or "latents" not in progress or step == self.request.steps:
            return {}
        pixels = (await self.stages("vae_decoder", {"latents": progress["latents"][None]}))["pixels"][0]
        preview = await asyncio.to_thread(encode, as_picture(pixels), "jpeg")
        return {"image": text_array(b64encode(preview) if self.request.as_text else preview)}


def _event(kind: str, **more: object) -> np.ndarray:
    return text_array(json.dumps({"kind": kind, **more}))
