"""Rows shared out over the cores: several one-thread calls side by side instead of one call on all cores.

A call on all cores waits for the slowest of its threads after every operator, and where others want the cores
too, each wait lasts until the scheduler lets that thread in; rows have nothing to wait for.
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
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


class Lanes:
    """Threads that compute side by side, all of them started here."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="lane")
        list(self._pool.map(lambda met: met.wait(), [Barrier(count)] * count))

    def shares(self, rows: int) -> list[slice]:
        """The rows of each lane; with fewer rows than lanes one share, which is better computed by all."""
        if rows < self.count:
            return [slice(0, rows)]
        ends = [rows * part // self.count for part in range(self.count + 1)]
        return [slice(a, b) for a, b in pairwise(ends)]

    def at_once(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """The results in order; the first error once all parts have ended, so that nothing runs on."""
        running = [self._pool.submit(work, part) for part in parts[1:]]
        try:
            first = work(parts[0])
        finally:
            errors = [future.exception() for future in running]
        for error in errors:
            if error:
                raise error
        return [first, *(future.result() for future in running)]
