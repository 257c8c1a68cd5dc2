"""Progress events of a streamed request: steps, times and previews of its denoising jobs."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from vitrine_orchestrator.pictures import Picture, encode
from vitrine_orchestrator.pipeline.request_context import read_report, text_array
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.wire.arrays import Arrays

Send = Callable[[dict[str, np.ndarray]], None]
Painted = Callable[[np.ndarray], Awaitable[Picture]]
"""From a job's clean `latents` so far to the picture that they show."""


@dataclass(frozen=True)
class Streamed:
    """What a stream tells of: the request's jobs, which run one after another or at the same time."""

    jobs: int
    steps: int  # of each job
    previews: bool  # whether events have the picture so far
    as_text: bool  # whether pictures are base64 text


class ProgressSender:
    """Sends the progress of denoising jobs as events: step, steps, seconds elapsed, seconds left, job."""

    def __init__(
        self,
        stages: Stages,
        streamed: Streamed,
        send: Send,
        painted: Painted,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`painted` turns the state of a job into the preview's picture."""
        self.stages, self.streamed, self.send, self.clock = stages, streamed, send, clock
        self.painted = painted
        self.start = clock()
        self._done: dict[int, int] = {}  # steps by job, of those that have begun

    async def __call__(self, job: str, index: int) -> None:
        """Send events until the job's last step. A slow preview skips steps; it does not delay denoising."""
        try:
            await self._follow(job, index)
        finally:  # also when the job has ended before its last event was sent
            self._done[index] = self.streamed.steps

    async def _follow(self, job: str, index: int) -> None:
        self._send_event(index, 0, None, {})
        step, state = 0, "waiting"
        while state in ("waiting", "running"):
            poll = {"job": text_array(job), "after_step": np.array([step], np.int32)}
            answer = await self.stages("denoise", poll)
            report = read_report(answer)
            state = report["state"]
            if report["step"] > step:
                step = report["step"]
                self._send_event(index, step, report["left_s"], await self._preview(step, answer))

    def _send_event(
        self, index: int, step: int, left_s: float | None, preview: dict[str, np.ndarray]
    ) -> None:
        """Send one event. Steps count over all jobs; the time left includes the jobs that have not begun."""
        self._done[index] = step
        steps, done = self.streamed.steps, sum(self._done.values())
        elapsed_s = self.clock() - self.start
        if left_s is not None and step:
            coming = self.streamed.jobs - len(self._done)
            left_s += coming * elapsed_s / done * steps
        event = event_array(
            "progress",
            step=done,
            steps=steps * self.streamed.jobs,
            elapsed_s=round(elapsed_s, 3),
            left_s=None if left_s is None else round(left_s, 3),
            job=index,
        )
        self.send({"event": event, **preview})

    async def _preview(self, step: int, progress: Arrays) -> dict[str, np.ndarray]:
        """The output `image`: the picture so far. Empty after the last step, whose picture is the result."""
        if not self.streamed.previews or "latents" not in progress or step == self.streamed.steps:
            return {}
        preview = await asyncio.to_thread(encode, await self.painted(progress["latents"]), "jpeg")
        return {"image": text_array(b64encode(preview) if self.streamed.as_text else preview)}


def event_array(kind: str, **more: object) -> np.ndarray:
    """The output `event`: JSON of its kind and further fields."""
    return text_array(json.dumps({"kind": kind, **more}))
