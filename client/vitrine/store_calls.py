"""Runs calls of a store: within a time limit, each in a thread of its own, and never after a fork."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from vitrine.errors import Unavailable

LIMIT_S = 8.0  # a call ends within this time, the search for credentials included
PAUSE_S = 10.0  # after a call without an answer, others fail at once for this long

T = TypeVar("T")
_used_in: int | None = None  # id of the process that used obstore first


class NoAnswer(Unavailable):
    """The store did not answer in time, or is left alone because it just did not."""


class StoreCalls:
    """Runs calls of one store, so that a store that never answers costs its callers LIMIT_S once."""

    def __init__(
        self,
        limit_s: float = LIMIT_S,
        pause_s: float = PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit_s, self._pause_s, self._clock = limit_s, pause_s, clock
        self._paused_until_s = float("-inf")

    def run(self, call: Callable[[], T]) -> T:
        """Return the result of `call`, or raise its error; NoAnswer after `limit_s`, or during the pause.

        A call that ran out of time goes on in its thread, which nobody waits for.
        """
        check_process()
        if self._clock() < self._paused_until_s:
            raise NoAnswer(
                f"it did not answer within {self.limit_s:g} s and is left alone for {self._pause_s:g} s"
            )
        future = in_own_thread(call)
        if not wait([future], self.limit_s).done:
            self._paused_until_s = self._clock() + self._pause_s
            raise NoAnswer(f"no answer within {self.limit_s:g} s")
        return future.result()


def in_own_thread(call: Callable[[], T]) -> Future[T]:
    """Start `call` in a new thread, which keeps no process from ending, and return its future."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # nobody can cancel it from here on

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # panics of obstore too
            future.set_exception(error)

    threading.Thread(target=work, name="vitrine-store", daemon=True).start()
    return future


def check_process() -> None:
    """Raise Unavailable in a child that was forked after the first call, where obstore would hang for ever.

    obstore has one set of threads for all stores of a process, and a fork does not copy them.
    """
    global _used_in
    if _used_in is None:
        _used_in = os.getpid()
    if _used_in != os.getpid():
        raise Unavailable(
            "this process was forked after its parent had used an object store, and cannot use one: "
            "open the client after the fork, or start processes by spawn"
        )
