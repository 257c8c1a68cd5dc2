"""Splits rows over the cores: several concurrent one-thread calls instead of one call on all cores.

A call on all cores waits for its slowest thread after every operator. When other work uses the cores too,
each wait lasts until the scheduler runs that thread. Separate rows never wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Lanes:
    """Threads that compute concurrently. The constructor returns when all of them have started."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="lane")
        list(self._pool.map(lambda barrier: barrier.wait(), [Barrier(count)] * count))

    def shares(self, rows: int) -> list[slice]:
        """The rows of each lane. With fewer rows than lanes it is one share, for a call on all cores."""
        if rows < self.count:
            return [slice(0, rows)]
        ends = [rows * part // self.count for part in range(self.count + 1)]
        return [slice(a, b) for a, b in pairwise(ends)]

    def run_all(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """The results in order. Raises the first error, after all parts have ended."""
        running = [self._pool.submit(work, part) for part in parts[1:]]
        try:
            first = work(parts[0])
        finally:
            errors = [future.exception() for future in running]
        for error in errors:
            if error:
                raise error
        return [first, *(future.result() for future in running)]
