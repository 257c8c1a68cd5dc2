"""Foresees when jobs begin and end: pure functions of the queue, the running jobs and recent times.

Places take the longest waiting job when they become free, as `jobs.leasing` does. How much service a job
needs is the median of recent jobs of the same pipeline and work; with none, of the same pipeline; with none,
of all. Jobs that run at the same time slow each other down as `jobs.slowdown` says; jobs that nobody has
submitted yet do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import median

from vitrine_gateway.jobs.slowdown import Past, Service, speed_of


@dataclass(frozen=True)
class Waiting:
    """A job that waits; the order of a list of them is that of the queue."""

    id: str
    pipeline: str
    work: str
    run_after: float  # seconds since 1970: it is not begun before


@dataclass(frozen=True)
class Running:
    """A job that runs. `left_s` is what its denoiser needed at `told_at`."""

    id: str
    pipeline: str
    work: str
    started_at: float
    left_s: float | None = None
    told_at: float = 0.0


@dataclass(frozen=True)
class Foreseen:
    """When a job is expected to begin and to end, in seconds since 1970."""

    begin: float
    end: float


@dataclass(frozen=True)
class Times:
    """Seconds of service that recent jobs needed, by (pipeline, work), and the slowdown between jobs."""

    taken: Mapping[tuple[str, str], Sequence[float]] = field(default_factory=dict)
    slowdown: float = 0.0

    def typical(self, pipeline: str, work: str, beyond_s: float = 0.0) -> float | None:
        """Return the median of the times above `beyond_s`, or None if nothing is known."""
        for known in (
            self.taken.get((pipeline, work), ()),
            [one for (name, _), several in self.taken.items() if name == pipeline for one in several],
            [one for several in self.taken.values() for one in several],
        ):
            if longer := [one for one in known if one > beyond_s]:
                return median(longer)
            if known:
                return None
        return None

    def left_of(self, job: Running, now: float, served_s: float, speed: float) -> float | None:
        """Return the seconds of service that a running job still needs, or None if nothing is known.

        A job that already needed much is compared with those alone that needed more, and what the denoiser
        reports is never undercut.
        """
        typical = self.typical(job.pipeline, job.work, served_s)
        by_times = None if typical is None else typical - served_s
        step_end = step_end_of(job)
        by_report = None if step_end is None else (step_end - now) * speed
        known = [one for one in (by_times, by_report) if one is not None]
        return max(*known, 0.0) if known else None


def step_end_of(job: Running) -> float | None:
    """Return when the denoiser of a running job is expected to be done, or None."""
    return None if job.left_s is None else job.told_at + job.left_s


class RunningJobs:
    """The service that jobs which run at one moment have got, and still need."""

    def __init__(self, running: Sequence[Running], past: Sequence[Past], slowdown: float) -> None:
        spans = [(one.begun, one.ended) for one in past] + [(one.started_at, inf) for one in running]
        self._service = Service(spans, slowdown)
        self.speed = speed_of(len(running), slowdown)  # of each of them

    def left(self, job: Running, now: float, times: Times) -> float | None:
        """Return the seconds of service that the job still needs, or None if nothing is known."""
        return times.left_of(job, now, self._service.between(job.started_at, now), self.speed)


class Plan:
    """When each place becomes free, and which jobs take it then. Jobs are added in the order of the queue."""

    def __init__(self, now: float, places: int, left: Mapping[str, float | None], times: Times) -> None:
        """`left` are the seconds of service that the running jobs need; None is taken for 0.

        More may run than there are places, because their workers are gone or going.
        """
        self.times = times
        self.foreseen: dict[str, Foreseen] = {}  # a job of which nothing can be said is left out
        self._places, self._now = places, now
        self._left = {job: one or 0.0 for job, one in left.items()}  # of those that run at `_now`
        self._begun = {job: now for job, one in left.items() if one is not None}
        self._foresee_running()

    def pass_until(self, now: float) -> None:
        """Let the jobs run until then, as foreseen, before later ones are added."""
        while self._left:
            ended, left = self._next_end(self._now, self._left)
            if ended > now:
                break
            self._now, self._left = ended, left
        if self._now < now:
            served = (now - self._now) * speed_of(len(self._left), self.times.slowdown)
            self._left = {job: one - served for job, one in self._left.items()}
            self._now = now

    def add(self, *jobs: Waiting) -> None:
        """Give each job the place that becomes free first.

        One that must not begin yet then keeps no place from the jobs behind it.
        """
        for job in jobs if self._places > 0 else ():
            needs = self.times.typical(job.pipeline, job.work)
            if needs is None:
                continue
            while len(self._left) >= self._places:
                self._now, self._left = self._next_end(self._now, self._left)
            if job.run_after > self._now:
                self.foreseen[job.id] = Foreseen(job.run_after, job.run_after + needs)
            else:
                self._left[job.id], self._begun[job.id] = needs, self._now
        self._foresee_running()

    def _foresee_running(self) -> None:
        """Foresee the ends of the jobs that run at `_now`, as if no other one came."""
        now, left = self._now, self._left
        while left:
            now, left = self._next_end(now, left)

    def _next_end(self, now: float, left: Mapping[str, float]) -> tuple[float, dict[str, float]]:
        """Note the end of the job that ends first; return its time, and what the others need then."""
        ended = min(left, key=left.__getitem__)
        first = left[ended]
        later = now + first / speed_of(len(left), self.times.slowdown)
        if ended in self._begun:
            self.foreseen[ended] = Foreseen(self._begun[ended], later)
        return later, {job: one - first for job, one in left.items() if job != ended}
