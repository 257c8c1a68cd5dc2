"""Decides whether to try a call again, and how long to wait before."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from vitrine.errors import BadRequest, Busy, Unavailable, VitrineError

LONGEST_S = 30 * 86_400.0  # a longer time limit, such as "inf", is this one: clocks and locks hold no more


@dataclass(frozen=True)
class Retry:
    """Tries again on Busy and Unavailable with exponential backoff and jitter, within the caller's time."""

    tries: int = 4  # attempts in all; 1 turns retries off
    first_s: float = 0.25
    longest_s: float = 4.0

    def pause_s(
        self,
        tried: int,
        error: VitrineError,
        left_s: float,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> float | None:
        """Return the backoff in seconds after try number `tried` failed with `error`; None to give up.

        The upper half of each pause is random, so that callers that failed together do not retry together. A
        pause that the server asks for is kept.
        """
        if not isinstance(error, Busy | Unavailable) or tried >= self.tries:
            return None
        pause = min(self.longest_s, self.first_s * 2 ** (tried - 1)) * uniform(0.5, 1.0)
        if isinstance(error, Busy):
            pause = max(pause, error.retry_after_s or 0)
        return pause if pause < left_s else None


class Tries:
    """The tries of one call, within its time limit of `timeout_s` seconds from now."""

    def __init__(self, retry: Retry, timeout_s: float) -> None:
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or math.isnan(timeout_s):
            raise BadRequest(f"timeout_s must be a number of seconds, got {timeout_s!r:.40}")
        timeout_s = min(timeout_s, LONGEST_S)
        self._retry, self._deadline, self._failed = retry, time.monotonic() + timeout_s, 0

    @property
    def left_s(self) -> float:
        """The time limit of the next try in seconds, never 0."""
        return max(self._deadline - time.monotonic(), 1e-3)

    def pause_s(self, error: VitrineError) -> float | None:
        """Return the backoff in seconds after a try failed with `error`; None to give up."""
        self._failed += 1
        return self._retry.pause_s(self._failed, error, self._deadline - time.monotonic())
