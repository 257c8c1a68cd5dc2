"""A caller's way to give a synchronous request up from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Cancellation:
    """Given to a call, and cancelled from any other thread; async callers cancel their task instead."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._happened = threading.Event()
        self._calls: list[Callable[[], object]] = []

    @property
    def cancelled(self) -> bool:
        """Whether cancel() has been called."""
        return self._happened.is_set()

    def cancel(self) -> None:
        """Give up every call that holds this; they raise Cancelled."""
        with self._lock:
            self._happened.set()
            calls, self._calls = self._calls, []
        for stop in calls:
            stop()

    def wait(self, seconds: float) -> bool:
        """Sleep, and wake at a cancellation; whether there was one."""
        return self._happened.wait(seconds)

    @contextmanager
    def stops(self, stop: Callable[[], object]) -> Iterator[None]:
        """Within the block a cancellation calls `stop`, at once if it has already happened."""
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
