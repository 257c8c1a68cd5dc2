"""Wakes waiting coroutines of this process. Other processes are noticed by looking into the database."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection

QUEUE = "queue"  # rung when a job may be leased; other names are ids of jobs and batches, and `end_of` a job


def end_of(job_id: str) -> str:
    """Return the bell of a job's end, for those who need none of its progress."""
    return f"{job_id} ended"


class Bells:
    """Named bells."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)

    def ring(self, *names: str) -> None:
        """Wake everybody who waits for one of these names."""
        for name in names:
            for future in self._waiting.pop(name, []):
                if not future.done():
                    future.set_result(None)

    def ring_job(self, job_id: str, batch_id: str | None = None, *, ended: bool = False) -> None:
        """Wake those who wait for news of a job or its batch, and if it `ended` those who wait for that."""
        self.ring(job_id, *([batch_id] if batch_id else []), *([end_of(job_id)] if ended else []))

    @property
    def awaited(self) -> Collection[str]:
        """The names for which somebody waits."""
        return self._waiting.keys()

    async def wait(self, name: str, seconds: float) -> bool:
        """Wait until the bell rings, `seconds` at most; return whether it rang."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[name].append(future)
        try:
            rung, _ = await asyncio.wait([future], timeout=max(seconds, 0.0))
            return bool(rung)
        finally:
            future.cancel()
            if future in (others := self._waiting.get(name, [])):
                others.remove(future)
            if not self._waiting.get(name):
                self._waiting.pop(name, None)
