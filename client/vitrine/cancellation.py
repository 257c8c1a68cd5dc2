"""Cancels a synchronous request from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Cancellation:
    """Cancels the calls that it is passed to, from any thread. Async callers cancel their task instead."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._happened = threading.Event()
        self._calls: list[Callable[[], object]] = []

    @property
    def cancelled(self) -> bool:
        """Whether cancel() has been called."""
        return self._happened.is_set()

    def cancel(self) -> None:
        """Stop every call that this object was passed to; each raises Cancelled."""
        with self._lock:
            self._happened.set()
            calls, self._calls = self._calls, []
        for stop in calls:
            stop()

    def wait(self, seconds: float) -> bool:
        """Sleep for `seconds` or until a cancellation; return whether there was one."""
        return self._happened.wait(seconds)

    @contextmanager
    def stops(self, stop: Callable[[], object]) -> Iterator[None]:
        """Call `stop` at a cancellation during the block, or immediately if there was one before."""
        with self._lock:
            happened = self._happened.is_set()
            if not happened:
                self._calls.append(stop)
        if happened:
            stop()
        try:
            yield
        finally:
            with self._lock:
                self._calls = [one for one in self._calls if one is not stop]
