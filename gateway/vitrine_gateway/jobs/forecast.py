"""Foresees when jobs begin and end: pure functions of the queue, the running jobs and recent times.

Places take the longest waiting job when they become free, as `jobs.leasing` does. How long a job takes is
the median of recent jobs of the same pipeline and work; with none, of the same pipeline; with none, of all.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median


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
    """Seconds that recent jobs took, by (pipeline, work)."""

    taken: Mapping[tuple[str, str], Sequence[float]] = field(default_factory=dict)

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


def end_of_running(job: Running, times: Times, now: float) -> float | None:
    """Return when a running job is expected to end, or None.

    A job that already takes long is compared with those alone that took longer, and what the denoiser
    reports is never undercut.
    """
    typical = times.typical(job.pipeline, job.work, now - job.started_at)
    by_times = None if typical is None else job.started_at + typical
    by_report = step_end_of(job)
    ends = [one for one in (by_times, by_report) if one is not None]
    return max(*ends, now) if ends else None


def step_end_of(job: Running) -> float | None:
    """Return when the denoiser of a running job is expected to be done, or None."""
    return None if job.left_s is None else job.told_at + job.left_s


class Plan:
    """When each place becomes free, and which jobs take it then. Jobs are added in the order of the queue."""

    def __init__(self, now: float, places: int, running: Sequence[Running], times: Times) -> None:
        self.times = times
        self.foreseen: dict[str, Foreseen] = {}  # a job of which nothing can be said is left out
        self._now = now
        ends = [end_of_running(job, times, now) for job in running]
        free_at = [now if end is None else end for end in ends] + [now] * max(places - len(running), 0)
        # More may run than there are places, because their workers are gone or going.
        self._free_at = heapq.nlargest(places, free_at)
        heapq.heapify(self._free_at)

    def add(self, job: Waiting) -> None:
        """Give the job the place that becomes free first."""
        takes = self.times.typical(job.pipeline, job.work)
        if takes is None or not self._free_at:
            return
        begin = max(self._free_at[0], job.run_after, self._now)
        heapq.heapreplace(self._free_at, begin + takes)
        self.foreseen[job.id] = Foreseen(begin, begin + takes)
