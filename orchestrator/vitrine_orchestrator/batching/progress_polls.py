"""Progress of jobs for those who ask: a long poll that answers when the job has passed a step, or ended."""

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
    """How far a job has come; times in seconds."""

    job: str
    state: State
    step: int
    steps: int
    elapsed_s: float  # since the job was submitted
    left_s: float | None  # at the pace so far; None before the first step
    clean: np.ndarray | None  # (4, h, w), the estimate of the final latents; None before the first step

    def report(self) -> dict[str, object]:
        """All but the latents, for JSON."""
        return {
            "job": self.job,
            "state": self.state,
            "step": self.step,
            "steps": self.steps,
            "elapsed_s": round(self.elapsed_s, 6),
            "left_s": None if self.left_s is None else round(self.left_s, 6),
        }


Answer = Callable[[Progress | VitrineError], None]


@dataclass(frozen=True, eq=False)
class _Watch:
    job: str
    after_step: int
    due: float
    answer: Answer


class Watches:
    """The watches that wait. An answer is called once, by the thread that finds it due."""

    REMEMBERED = 256  # jobs that ended

    def __init__(self, clock: Callable[[], float], patience_s: float) -> None:
        """A watch is answered after `patience_s` at the latest, with the progress until then."""
        self._clock, self._patience_s = clock, patience_s
        self._lock = threading.Lock()
        self._waiting: list[_Watch] = []
        self._live: dict[str, Job] = {}
        self._ended: OrderedDict[str, Progress] = OrderedDict()

    def began(self, job: Job) -> None:
        """The job can be watched from now on."""
        with self._lock:
            self._live[job.name] = job

    def ended(self, jobs: Iterable[Job]) -> None:
        """The jobs have left; their last progress is remembered for a while."""
        with self._lock:
            for job in jobs:
                self._live.pop(job.name, None)
                self._ended[job.name] = self._progress(job)
                self._ended.move_to_end(job.name)
            while len(self._ended) > self.REMEMBERED:
                self._ended.popitem(last=False)

    def watch(self, job: str, after_step: int, answer: Answer) -> None:
        """Answer once `job` has passed `after_step`; NotFound if no such job comes within the patience."""
        with self._lock:
            self._waiting.append(_Watch(job, after_step, self._clock() + self._patience_s, answer))

    def next_due(self) -> float:
        """When the first waiting watch runs out of patience; infinite when none waits."""
        with self._lock:
            return min((watch.due for watch in self._waiting), default=float("inf"))

    def answer_due(self) -> None:
        """Answer every watch whose job has passed its step or ended, or whose patience is over."""
        if not self._waiting:
            return
        with self._lock:
            now = self._clock()
            due = [(watch, result) for watch in self._waiting if (result := self._result(watch, now))]
            answered = {watch for watch, _ in due}
            self._waiting = [watch for watch in self._waiting if watch not in answered]
        for watch, result in due:
            watch.answer(result)

    def _result(self, watch: _Watch, now: float) -> Progress | VitrineError | None:
        if job := self._live.get(watch.job):
            ready = job.step > watch.after_step or now >= watch.due
            return self._progress(job) if ready else None
        if ended := self._ended.get(watch.job):
            return ended
        return NotFound(f"no job is named {watch.job!r}") if now >= watch.due else None

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
            job.clean if job.step else None,
        )
