"""Wakes waiting coroutines of this process. Other processes are noticed by looking into the database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager

QUEUE = "queue"  # rung when a job may be leased; other names are ids of jobs and batches, and `end_of` a job


def end_of(job_id: str) -> str:
    """Return the bell of a job's end, for those who need none of its progress."""
    return f"{job_id} ended"


class Bell:
    """One bell as one coroutine hears it."""

    def __init__(self) -> None:
        self.rung: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait(self, seconds: float) -> bool:
        """Wait until it rings, `seconds` at most; return whether it has rung since the listening began."""
        await asyncio.wait([self.rung], timeout=max(seconds, 0.0))
        return self.rung.done()


class Bells:
    """Named bells."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)

    def ring(self, *names: str) -> None:
        """Wake everybody who listens to one of these names."""
        for name in names:
            for future in self._waiting.pop(name, []):
                if not future.done():
                    future.set_result(None)

    def ring_job(self, job_id: str, batch_id: str | None = None, *, ended: bool = False) -> None:
        """Wake those who listen to a job or its batch, and if it `ended` those who listen to its end."""
        self.ring(job_id, *([batch_id] if batch_id else []), *([end_of(job_id)] if ended else []))

    @property
    def awaited(self) -> Collection[str]:
        """The names of the bells that somebody hears."""
        return self._waiting.keys()

    @contextmanager
    def listening(self, name: str) -> Iterator[Bell]:
        """Hear a bell from here on.

        Who looks for news and then waits for them listens before the look: a bell that rings in between is
        heard too.
        """
        bell = Bell()
        self._waiting[name].append(bell.rung)
        try:
            yield bell
        finally:
            bell.rung.cancel()
            if bell.rung in (others := self._waiting.get(name, [])):
                others.remove(bell.rung)
            if not self._waiting.get(name):
                self._waiting.pop(name, None)
