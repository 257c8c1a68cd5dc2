"""Keeps answers of nodes in memory: a graph that is sent again with one change runs only what changed."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from vitrine_orchestrator.workflows.values import Value, size_of

ENTRY_BYTES = 500  # of an entry beside its values
TTL_S = 600.0  # an answer is forgotten so long after it was computed


class _Kept(NamedTuple):
    values: tuple[Value, ...]
    size: int
    until: float


class KeptNodes:
    """Answers by key, within `max_bytes`: those that were used longest ago go first. 0 keeps nothing.

    For one event loop. `clock` gives seconds.
    """

    def __init__(
        self, max_bytes: int, ttl_s: float = TTL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.max_bytes, self.ttl_s, self.clock, self.bytes = max_bytes, ttl_s, clock, 0
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def get(self, key: str) -> tuple[Value, ...] | None:
        """The values of that key; None when they are not kept."""
        self._forget_old()
        if (found := self._kept.get(key)) is None:
            return None
        self._kept.move_to_end(key)
        return found.values

    def put(self, key: str, values: tuple[Value, ...]) -> None:
        """Keep the values, unless they alone exceed the bytes."""
        size = size_of(values) + ENTRY_BYTES
        self._drop(key)
        if size > self.max_bytes:
            return
        self._kept[key] = _Kept(values, size, self.clock() + self.ttl_s)
        self.bytes += size
        while self.bytes > self.max_bytes:
            self._drop(next(iter(self._kept)))

    def _forget_old(self) -> None:
        now = self.clock()
        for key in [key for key, one in self._kept.items() if one.until <= now]:
            self._drop(key)

    def _drop(self, key: str) -> None:
        if (found := self._kept.pop(key, None)) is not None:
            self.bytes -= found.size
