"""Schedules the jobs of all groups: which jobs start, and which group computes the next step."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping

from vitrine.errors import StageFailed

from vitrine_orchestrator.batching.batcher import Batcher
from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.batching.program import Program

logger = logging.getLogger(__name__)


class GroupScheduler:
    """One batcher for each family and group, in round-robin order; waiting jobs start in order of arrival."""

    def __init__(
        self,
        programs: Mapping[str, Program],
        new_batcher: Callable[[Program], Batcher],
        max_rows: int,
        max_running: int,
    ) -> None:
        """`programs` by family. At most `max_rows` jobs of one group and `max_running` jobs in all run."""
        self._programs, self._new_batcher = programs, new_batcher
        self._max_rows, self._max_running = max_rows, max_running
        self._batchers: OrderedDict[Hashable, Batcher] = OrderedDict()
        self.waiting: deque[Job] = deque()  # any thread may append

    @property
    def running(self) -> int:
        """The number of running jobs."""
        return sum(len(batcher) for batcher in self._batchers.values())

    def step(self, now: float) -> list[Job]:
        """Start waiting jobs, compute one step of the next group, and return the jobs that left."""
        left = self._admit(now)
        if self._batchers:
            group, batcher = next(iter(self._batchers.items()))
            self._batchers.move_to_end(group)
            try:
                left += batcher.step()
            finally:
                if not len(batcher):
                    del self._batchers[group]
        return left

    def _admit(self, now: float) -> list[Job]:
        """Start waiting jobs in order of arrival, passing over those whose group is full."""
        left, still_waiting, running = [], [], self.running
        for _ in range(len(self.waiting)):
            job = self.waiting.popleft()
            job.give_up_if_due(now)
            group = self._group(job)
            if job.over:
                left.append(job)
            elif running < self._max_running and self._start(job, group):
                running += 1
            else:
                still_waiting.append(job)
        self.waiting.extendleft(reversed(still_waiting))
        return left

    def _group(self, job: Job) -> Hashable:
        """The job's family and its group there; the job fails when its program raises an error."""
        try:
            return job.request.family, self._programs[job.request.family].group(job)
        except Exception:
            logger.exception("job %s has no group", job.name)
            job.error = job.error or StageFailed("denoise", "the job could not be placed")
            return None

    def _start(self, job: Job, group: Hashable) -> bool:
        if group not in self._batchers:
            self._batchers[group] = self._new_batcher(self._programs[job.request.family])
        if len(self._batchers[group]) >= self._max_rows:
            return False
        self._batchers[group].joining.append(job)
        return True

    def clear(self) -> list[Job]:
        """Remove and return all jobs, waiting and running."""
        jobs = list(self.waiting)
        for batcher in self._batchers.values():
            jobs += batcher.clear()
        self.waiting.clear()
        self._batchers.clear()
        return jobs
