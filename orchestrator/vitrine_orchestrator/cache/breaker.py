"""Stops asking a store that does not answer, and tries again now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

FAILURES = 3  # in a row
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # doubled with each failed trial


class Breaker:
    """Closed: calls go through. Open after FAILURES failures in a row; after a pause one call may try."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._failures, self._pause_s, self._open_until_s = 0, FIRST_PAUSE_S, 0.0

    def allows(self) -> bool:
        """Whether a call may go out now. The one call after a pause starts the next pause for all others."""
        if self._failures < FAILURES:
            return True
        if self.clock() < self._open_until_s:
            return False
        self._open_until_s = self.clock() + self._pause_s
        return True

    def succeeded(self) -> None:
        """A call was answered."""
        self._failures, self._pause_s = 0, FIRST_PAUSE_S

    def failed(self) -> None:
        """A call was not answered, or with an error of the store."""
        self._failures += 1
        if self._failures > FAILURES:
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if self._failures >= FAILURES:
            self._open_until_s = self.clock() + self._pause_s
