"""Progress events of a streamed try-on: steps, times and previews of its denoising jobs."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable

import numpy as np

from vitrine_orchestrator.pictures import Picture, encode
from vitrine_orchestrator.pipeline.request_context import read_report, text_array
from vitrine_orchestrator.pipeline.try_on_request import TryOnRequest
from vitrine_orchestrator.stages.calls import Arrays, Stages

Send = Callable[[dict[str, np.ndarray]], None]
Painted = Callable[[np.ndarray], Awaitable[Picture]]
"""From a job's clean `latents` so far to the picture that they show."""


class ProgressSender:
    """Sends the progress of denoising jobs as events: step, steps, seconds elapsed, seconds left."""

    def __init__(
        self,
        stages: Stages,
        request: TryOnRequest,
        send: Send,
        painted: Painted,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`painted` turns the state of a job into the preview's picture."""
        self.stages, self.request, self.send, self.clock = stages, request, send, clock
        self.painted = painted
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
        event = event_array(
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
        preview = await asyncio.to_thread(encode, await self.painted(progress["latents"]), "jpeg")
        return {"image": text_array(b64encode(preview) if self.request.as_text else preview)}


def event_array(kind: str, **more: object) -> np.ndarray:
    """The output `event`: JSON of its kind and further fields."""
    return text_array(json.dumps({"kind": kind, **more}))
