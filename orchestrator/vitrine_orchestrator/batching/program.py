"""What one family of networks does for the batcher."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

import numpy as np

from vitrine_orchestrator.batching.job import Job, Request
from vitrine_orchestrator.engine.rows import Arrays


class Program(Protocol):
    """Computes the steps of one family's jobs.

    One thread calls everything but `read`, which any thread may call. An error out of `join`, `share` or
    `predict` fails the jobs of that call; a program may fail single jobs instead by setting their `error`.
    """

    @property
    def lanes(self) -> int:
        """Jobs computed at the same time: calls of a multiple leave nothing idle. 1: any call does."""

    @property
    def most(self) -> int:
        """The most jobs that one call takes; 0: no limit of the program's."""

    @property
    def shares(self) -> str:
        """The name, in reports, of the time spent in `share`; empty where jobs share nothing."""

    def read(self, arrays: Arrays) -> Request:
        """The job that a request's arrays describe, checked; BadRequest names the input, rule and value."""

    def group(self, job: Job) -> Hashable:
        """Jobs of equal groups may share a call.

        A job's group does not change, and jobs of one group have the same shape.
        """

    def join(self, jobs: Sequence[Job]) -> None:
        """Compute what each of these jobs needs once; `job.held` is the program's to keep it in."""

    def share(self, jobs: Sequence[Job]) -> None:
        """Compute what the coming step of these jobs needs and later steps or other jobs use again."""

    def predict(self, jobs: Sequence[Job]) -> np.ndarray:
        """The networks' answer to the coming step, guidance applied: float32 (R, *shape), a row each job.

        `network_inputs(jobs)` is what the networks see of the jobs.
        """

    def leave(self, job: Job) -> None:
        """Give back what the job held. Called once for every job that was in a call of `join`.

        Where `job.spoilt`, what it shared with others may be what spoilt it, and is to be forgotten.
        """
