"""Long polls of jobs' progress: a poll is answered when its job has passed a step or ended."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from vitrine.errors import NotFound, VitrineError

from vitrine_orchestrator.batching.job import Job, State


@dataclass(frozen=True)
class Progress:
    """The progress of a job; times in seconds."""

    job: str
    state: State
    step: int
    steps: int
    elapsed_s: float  # since the job was submitted
    left_s: float | None  # estimate from the pace so far; None before the first step
    clean: np.ndarray | None  # the estimate of the final latents; None before the first step, and at the end

    def report(self) -> dict[str, object]:
        """All fields except the latents, for JSON."""
        return {
            "job": self.job,
            "state": self.state,
            "step": self.step,
            "steps": self.steps,
            "elapsed_s": round(self.elapsed_s, 6),
            "left_s": None if self.left_s is None else round(self.left_s, 6),
        }


OnProgress = Callable[[Progress | VitrineError], None]
"""Called once with the answer of a poll."""


@dataclass(frozen=True, eq=False)
class _Poll:
    job: str
    after_step: int
    due: float
    answer: OnProgress


class ProgressPolls:
    """The polls that wait. The thread that calls `answer_due` calls their `answer`, once each."""

    MAX_ENDED = 256  # ended jobs whose progress is kept, without latents; then the oldest is forgotten

    def __init__(self, clock: Callable[[], float], timeout_s: float) -> None:
        """A poll is answered after `timeout_s` at the latest, with the progress so far."""
        self._clock, self._timeout_s = clock, timeout_s
        self._lock = threading.Lock()
        self._waiting: list[_Poll] = []
        self._live: dict[str, Job] = {}
        self._ended: OrderedDict[str, Progress] = OrderedDict()

    def began(self, job: Job) -> None:
        """Allow polls of the job from now on."""
        with self._lock:
            self._live[job.name] = job

    def ended(self, jobs: Iterable[Job]) -> None:
        """Keep the last progress of jobs that have left, for later polls."""
        with self._lock:
            for job in jobs:
                self._live.pop(job.name, None)
                self._ended[job.name] = self._progress(job)
                self._ended.move_to_end(job.name)
            while len(self._ended) > self.MAX_ENDED:
                self._ended.popitem(last=False)

    def poll(self, job: str, after_step: int, answer: OnProgress) -> None:
        """Answer when `job` has passed `after_step`; NotFound when no such job comes before the timeout."""
        with self._lock:
            self._waiting.append(_Poll(job, after_step, self._clock() + self._timeout_s, answer))

    def next_due(self) -> float:
        """The time at which the first waiting poll times out; infinite when none waits."""
        with self._lock:
            return min((poll.due for poll in self._waiting), default=float("inf"))

    def answer_due(self) -> None:
        """Answer every poll whose job has passed its step or ended, and every poll that has timed out."""
        if not self._waiting:
            return
        with self._lock:
            now = self._clock()
            due = [(poll, result) for poll in self._waiting if (result := self._result(poll, now))]
            answered = {poll for poll, _ in due}
            self._waiting = [poll for poll in self._waiting if poll not in answered]
        for poll, result in due:
            poll.answer(result)

    def _result(self, poll: _Poll, now: float) -> Progress | VitrineError | None:
        if job := self._live.get(poll.job):
            ready = job.step > poll.after_step or now >= poll.due
            return self._progress(job) if ready else None
        if ended := self._ended.get(poll.job):
            return ended
        return NotFound(f"no job is named {poll.job!r}") if now >= poll.due else None

    def _progress(self, job: Job) -> Progress:
        now = self._clock() if job.ended is None else job.ended
        left = None
        if job.step and job.started is not None:
            left = (now - job.started) / job.step * (job.steps - job.step)
        return Progress(
            job.name,
            job.state,
            job.step,
            job.steps,
            now - job.submitted,
            left,
            None if job.over or not job.step else job.clean,
        )
