"""Gathers the requests of a network until its turn comes, and gives each core requests of its own.

Triton batches requests of one shape only. Requests that wait for the cores anyway can share a turn whatever
their shapes: each lane computes whole requests, so nothing has to be of one size.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from vitrine_orchestrator.cores.turn_lock import NoTurnLock, TurnLock

Item = TypeVar("Item")

PER_LANE = 2
"""Requests that a lane computes in one turn; the denoiser waits meanwhile."""


class TurnQueue(Generic[Item]):
    """Requests that wait for their turn; a thread of its own computes and answers them."""

    def __init__(
        self,
        compute: Callable[[list[Item]], Callable[[], None]],
        turns: TurnLock | NoTurnLock,
        lanes: int,
    ) -> None:
        """`compute` is called with the requests of a turn; what it returns answers them, after the turn.

        Neither may raise.
        """
        self._compute, self._turns, self._lanes = compute, turns, lanes
        self._most = PER_LANE * lanes
        self._waiting: queue.Queue[Item | None] = queue.Queue(self._most)
        self._kept: list[Item] = []  # taken from the queue for a later turn
        self._thread = threading.Thread(target=self._run, name="turns", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Queue a request; wait while there are enough, so that Triton's own queue fills and counts."""
        self._waiting.put(item)

    def close(self) -> None:
        """Compute what waits, then stop."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more or self._kept:
            if not self._kept:
                more = self._take(wait=True)
            if self._kept:
                more = self._serve(more)

    def _serve(self, more: bool) -> bool:
        """Compute and answer the requests of one turn, and hold nothing of them; whether more can come."""
        with self._turns.taken():
            while more and len(self._kept) < self._most and not self._waiting.empty():
                more = self._take(wait=False)
            answer = self._compute(self._due())
        answer()
        return more

    def _take(self, wait: bool) -> bool:
        """Take one request; False when there will be no more."""
        item = self._waiting.get(wait)
        if item is not None:
            self._kept.append(item)
        return item is not None

    def _due(self) -> list[Item]:
        """The oldest requests, as many for each lane, or a single one."""
        count = len(self._kept)
        if count > self._lanes:
            count -= count % self._lanes
        due, self._kept = self._kept[:count], self._kept[count:]
        return due
