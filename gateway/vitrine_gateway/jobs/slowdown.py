"""How much jobs that run at the same time slow each other down, measured on those that ended.

Jobs share one server. With n of them each gets the speed 1 / (1 + slowdown · (n - 1)) of a job that runs
alone: a slowdown of 0 is a server on which they do not disturb each other, with 1 they share all of it. At a
speed below 1 a job gets fewer seconds of service than pass on the clock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import median

CANDIDATES = tuple(tenth / 10 for tenth in range(11))
FEWEST = 3  # jobs of a kind that are compared with each other


@dataclass(frozen=True)
class Past:
    """A job that ended, in seconds since 1970; `good` is false for one that failed or was canceled."""

    pipeline: str
    work: str
    begun: float
    ended: float
    good: bool = True


def speed_of(running: int, slowdown: float) -> float:
    """Return the speed of each of the jobs that run; that of one alone is 1."""
    return 1 / (1 + slowdown * max(running - 1, 0))


class Service:
    """The seconds of service that a job got between two times, from the times of all jobs."""

    def __init__(self, spans: Iterable[tuple[float, float]], slowdown: float) -> None:
        """`spans` are the beginnings and ends of all jobs; one that still runs ends at infinity."""
        changes: dict[float, int] = {}
        for begun, ended in spans:
            changes[begun] = changes.get(begun, 0) + 1
            changes[ended] = changes.get(ended, 0) - 1
        self._times = sorted(changes)
        running = accumulate(changes[time] for time in self._times)
        self._speeds = [speed_of(one, slowdown) for one in running]
        between = zip(self._times, self._times[1:], self._speeds, strict=False)
        self._served = [0.0, *accumulate((later - time) * speed for time, later, speed in between)]

    def between(self, begun: float, ended: float) -> float:
        """Return the seconds of service of a job that ran from `begun` to `ended`."""
        return self._until(ended) - self._until(begun)

    def _until(self, time: float) -> float:
        at = bisect_right(self._times, time) - 1
        if at < 0:  # before all that is known a job runs alone
            return time - self._times[0] if self._times else time
        return self._served[at] + (time - self._times[at]) * self._speeds[at]


def slowdown_of(past: Sequence[Past]) -> float:
    """Return the slowdown with which jobs of the same kind differ least in the service that they needed.

    Among equally good ones the smallest, which is 0 where too few jobs are known.
    """
    return min(CANDIDATES, key=lambda slowdown: round(_differences(past, slowdown), 6))


def served(past: Sequence[Past], slowdown: float) -> dict[tuple[str, str], list[float]]:
    """Return the seconds of service that the good jobs needed, by (pipeline, work), in the order given."""
    service = Service([(one.begun, one.ended) for one in past], slowdown)
    by_kind: dict[tuple[str, str], list[float]] = {}
    for one in past:
        if one.good:
            by_kind.setdefault((one.pipeline, one.work), []).append(service.between(one.begun, one.ended))
    return by_kind


def _differences(past: Sequence[Past], slowdown: float) -> float:
    """Return the sum of the relative distances from the median of the kind."""
    total = 0.0
    for needed in served(past, slowdown).values():
        middle = median(needed)
        if len(needed) >= FEWEST and middle > 0:
            total += sum(abs(one / middle - 1) for one in needed)
    return total
