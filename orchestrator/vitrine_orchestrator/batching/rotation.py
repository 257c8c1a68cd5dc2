"""Jobs of all latent sizes: who enters, and whose turn the next step is."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from vitrine_orchestrator.batching.batcher import Batcher
from vitrine_orchestrator.batching.job import Job


class Rotation:
    """One batcher for each latent size, served in turn; waiting jobs enter in their order."""

    def __init__(self, new_batcher: Callable[[], Batcher], max_rows: int, max_running: int) -> None:
        """`max_rows` of one size share a call, `max_running` of all sizes hold a place."""
        self._new_batcher, self._max_rows, self._max_running = new_batcher, max_rows, max_running
        self._batchers: OrderedDict[tuple[int, int], Batcher] = OrderedDict()
        self.waiting: deque[Job] = deque()  # any thread may append

    @property
    def running(self) -> int:
        """Jobs that hold a place."""
        return sum(len(batcher) for batcher in self._batchers.values())

    def step(self, now: float) -> list[Job]:
        """Let jobs in, move those of the next size one step on, and return the jobs that left."""
        left = self._admit(now)
        if self._batchers:
            size, batcher = next(iter(self._batchers.items()))
            self._batchers.move_to_end(size)
            try:
                left += batcher.step()
            finally:
                if not len(batcher):
                    del self._batchers[size]
        return left

    def _admit(self, now: float) -> list[Job]:
        """Give places to waiting jobs, first come first served among those whose size has room."""
        left, kept, running = [], [], self.running
        for _ in range(len(self.waiting)):
            job = self.waiting.popleft()
            job.give_up_if_due(now)
            if job.over:
                left.append(job)
            elif running < self._max_running and self._enter(job):
                running += 1
            else:
                kept.append(job)
        self.waiting.extendleft(reversed(kept))
        return left

    def _enter(self, job: Job) -> bool:
        size = job.request.size
        if size not in self._batchers:
            self._batchers[size] = self._new_batcher()
        if len(self._batchers[size]) >= self._max_rows:
            return False
        self._batchers[size].joining.append(job)
        return True

    def clear(self) -> list[Job]:
        """Take every job out, waiting and running."""
        jobs = list(self.waiting)
        for batcher in self._batchers.values():
            jobs += batcher.running + batcher.joining
        self.waiting.clear()
        self._batchers.clear()
        return jobs
