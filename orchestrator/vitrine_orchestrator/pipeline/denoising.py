"""A pipeline's denoising jobs: their calls, progress and cancellation, and their part of the report."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np
from vitrine.errors import VitrineError

from vitrine_orchestrator.pipeline.memo import Source
from vitrine_orchestrator.pipeline.request_context import read_report, text_array
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.arrays import Arrays

FollowJob = Callable[[str, int], Coroutine[Any, Any, None]]
"""Reports the progress of a denoising job. Takes the job's name and its index among the request's, from 0."""

Result = TypeVar("Result")

LAST_EVENT_TIMEOUT_S = 1.0  # after the last step, wait at most this long for its progress event to be sent


class Sampling(Protocol):
    """The sampling options that a job of every family has."""

    @property
    def seed(self) -> int:
        """Of the noise."""
        ...

    @property
    def steps(self) -> int:
        """Denoising steps of a whole schedule."""
        ...

    @property
    def guidance(self) -> float:
        """How much the conditions are amplified."""
        ...

    @property
    def scheduler(self) -> str:
        """The name of a scheduler, or "checkpoint"."""
        ...


@dataclass(eq=False)
class RunLog:
    """What the report of a request is made of: seconds by stage, sources, and facts from `denoise`."""

    stages: Timed
    sources: dict[str, Source] = field(default_factory=dict)
    denoise: dict[str, object] = field(default_factory=dict)

    def joined(self, prepared: Iterable[Arrays]) -> dict[str, np.ndarray]:
        """The outputs of prepare models without their reports, which are added here.

        Where several have a source of one name, the last one's is kept.
        """
        outputs: dict[str, np.ndarray] = {}
        for one in prepared:
            report = read_report(one)
            self.sources |= report["sources"]
            for name, seconds in report["timings"].items():
                self.stages.seconds[name] += seconds
            outputs |= {name: array for name, array in one.items() if name != "report"}
        return outputs


async def follow_nothing(job: str, index: int) -> None:
    """Report no progress."""


async def together(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Run all concurrently; return the results in order. The first error cancels the others and is raised."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def denoised(
    request: Sampling,
    index: int,
    conditioning: Arrays,
    log: RunLog,
    follow: FollowJob,
    name: str | None = None,
) -> np.ndarray:
    """The `latents` of one job; the job is cancelled when the caller cancels the request.

    index: of the job among those of the request, from 0.
    conditioning: the inputs of `denoise` that the family adds to the sampling options.
    name: of the job, for callers that poll or cancel it themselves; None: a new one.
    """
    submission = uuid.uuid4().hex
    job = name or submission
    following = asyncio.create_task(follow(job, index))
    try:
        answer = await log.stages(
            "denoise",
            {
                **conditioning,
                "seed": np.array([request.seed], np.uint64),
                "steps": np.array([request.steps], np.int32),
                "guidance": np.array([request.guidance], np.float32),
                "scheduler": text_array(request.scheduler),
                "job": text_array(job),
                "submission": text_array(submission),
            },
        )
        await asyncio.wait([following], timeout=LAST_EVENT_TIMEOUT_S)
    except asyncio.CancelledError:
        await asyncio.shield(_cancel(log, job, submission))
        raise
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)  # an error in reporting cannot fail the job
    report = read_report(answer)
    log.denoise = {name: report[name] for name in ("scheduler", "rows_per_call") if name in report}
    log.stages.seconds["queue"] += report.get("timings", {}).get("queue", 0.0)
    return answer["latents"]


async def _cancel(log: RunLog, job: str, submission: str) -> None:
    """Cancel the job before its next step; does nothing when it has already ended, or is another request's.

    A name can be in use by another request, whose refusal has not arrived here yet.
    """
    which = {"job": text_array(job), "submission": text_array(submission)}
    try:
        await log.stages("denoise", {**which, "cancel": np.array([True])})
    except VitrineError:
        return
