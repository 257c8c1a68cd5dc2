"""What Z-Image's transformer does for the batcher."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.engine.rows import Arrays
from vitrine_orchestrator.loras.registry import Registry
from vitrine_orchestrator.loras.slots import SlotPool
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.z_image.denoise_request import PictureRequest, read_request
from vitrine_orchestrator.z_image.engine import Engine, NetworkRow
from vitrine_orchestrator.z_image.facts import ZImageFacts
from vitrine_orchestrator.z_image.token_rows import TokenRow, token_row


@dataclass(frozen=True)
class HeldState:
    """What a job keeps from step to step."""

    request: PictureRequest
    rows: tuple[TokenRow, ...]  # with the prompt's caption, and for guidance with the negative prompt's
    slot: int  # of its adapters


class ZImageProgram:
    """A Program: all jobs share calls, whatever their sizes, captions, times and adapters.

    A job with guidance is two rows of a call, one for each caption.
    """

    lanes = 1
    most = 0
    shares = ""

    def __init__(self, engine: Engine, facts: ZImageFacts, schedules: Schedules, loras: Registry) -> None:
        self._engine, self._facts, self._schedules, self._loras = engine, facts, schedules, loras
        self._trained = np.float32(facts.scheduler.get("num_train_timesteps", 1000))
        self.slots = SlotPool(facts.lora_rank, facts.lora_inputs, facts.lora_outputs)
        self.rows = 0  # of the network since the start

    def read(self, arrays: Arrays) -> PictureRequest:
        """The job that a request's arrays describe; BadRequest names the input, the rule and the value."""
        return read_request(arrays, self._facts, self._schedules, self._loras)

    def group(self, job: Job) -> str:
        """One group for all jobs."""
        return ""

    def join(self, jobs: Sequence[Job]) -> None:
        """Lay out the jobs' tokens, and put their adapters into slots."""
        for job in jobs:
            request = job.request
            assert isinstance(request, PictureRequest)
            size = request.shape[1], request.shape[2]
            captions = [request.caption]
            captions += [] if request.negative_caption is None else [request.negative_caption]
            rows = tuple(token_row(size, caption) for caption in captions)
            job.held = HeldState(request, rows, self.slots.hold(request.loras))

    def share(self, jobs: Sequence[Job]) -> None:
        """Never called: jobs share nothing."""
        raise AssertionError("jobs of this family share nothing")

    def predict(self, jobs: Sequence[Job]) -> list[np.ndarray]:
        """The velocity of every job, (C, h, w) each, with guidance applied."""
        rows = [row for job in jobs for row in self._network_rows(job)]
        self.rows += len(rows)
        velocities = iter(self._engine.predict(rows, self.slots))
        return [_guided(job.held, velocities) for job in jobs]

    def leave(self, job: Job) -> None:
        """Give the slot back."""
        if job.held is not None:
            self.slots.release(job.held.request.loras)

    def _network_rows(self, job: Job) -> list[NetworkRow]:
        time = float((self._trained - np.float32(job.timestep)) / self._trained)  # 1 − σ
        return [NetworkRow(row, job.latents, time, job.held.slot) for row in job.held.rows]


def _guided(held: HeldState, velocities: Iterator[np.ndarray]) -> np.ndarray:
    """The next job's velocity: v + g · (v − v of the negative prompt), as the released pipeline weighs it."""
    velocity = next(velocities)
    if len(held.rows) == 1:
        return velocity
    return velocity + np.float32(held.request.guidance) * (velocity - next(velocities))
