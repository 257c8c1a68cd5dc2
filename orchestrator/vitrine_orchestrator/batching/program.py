"""The protocol that a family of networks implements for the batcher."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np

from vitrine_orchestrator.batching.job import Job, Request
from vitrine_orchestrator.wire.arrays import Arrays


class Program(Protocol):
    """Computes the steps of one family's jobs.

    One thread calls all methods except `read`, which any thread may call. An error raised by `join`, `share`
    or `predict` fails the jobs of that call; to fail single jobs, a program sets their `error` instead.
    """

    @property
    def lanes(self) -> int:
        """Jobs that are computed concurrently. Calls of a multiple of it leave no lane idle."""

    @property
    def most(self) -> int:
        """The most jobs in one call; 0: the program sets no limit."""

    @property
    def shares(self) -> str:
        """The name of the time spent in `share` in reports; empty when jobs share nothing."""

    def read(self, arrays: Arrays) -> Request:
        """The job that a request's arrays describe, checked; BadRequest names the input, rule and value."""

    def group(self, job: Job) -> Hashable:
        """The group of the job; only jobs of equal groups share a call.

        A job's group does not change. Jobs of one group may have latents of different shapes.
        """

    def join(self, jobs: Sequence[Job]) -> None:
        """Compute what each of these jobs needs once, and keep it in `job.held`."""

    def share(self, jobs: Sequence[Job]) -> None:
        """Compute what these jobs' next step needs and what later steps or other jobs can use again."""

    def predict(self, jobs: Sequence[Job]) -> Sequence[np.ndarray] | np.ndarray:
        """The networks' prediction for the next step with guidance applied: float32, a row a job.

        Each row has the shape of its job's latents. For jobs of one shape, `network_inputs(jobs)` are the
        networks' inputs, and the answer may be one array (R, *shape).
        """

    def leave(self, job: Job) -> None:
        """Release the job's state. Called once for every job that was in a call of `join`.

        When `job.spoilt` is true, forget what the job shared with others: it may be the cause.
        """
