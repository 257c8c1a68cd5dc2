"""A circuit breaker: it stops calls to a store that does not answer, and tries again after a backoff."""

from __future__ import annotations

import time
from collections.abc import Callable

FAILURES = 3  # failures in a row that open the breaker
FIRST_BACKOFF_S, MAX_BACKOFF_S = 1.0, 60.0  # doubled with each failed trial call


class Breaker:
    """Closed: calls go through. Open after FAILURES failures in a row: one trial call after each backoff."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._failures, self._backoff_s, self._open_until_s = 0, FIRST_BACKOFF_S, 0.0

    def allows(self) -> bool:
        """Whether a call may go out now. The trial call starts the next backoff for all others."""
        if self._failures < FAILURES:
            return True
        if self.clock() < self._open_until_s:
            return False
        self._open_until_s = self.clock() + self._backoff_s
        return True

    def succeeded(self) -> None:
        """Record a call that was answered."""
        self._failures, self._backoff_s = 0, FIRST_BACKOFF_S

    def failed(self) -> None:
        """Record a call that timed out or failed in the store."""
        self._failures += 1
        if self._failures > FAILURES:
            self._backoff_s = min(2 * self._backoff_s, MAX_BACKOFF_S)
        if self._failures >= FAILURES:
            self._open_until_s = self.clock() + self._backoff_s
