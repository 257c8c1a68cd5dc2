"""Removes what has expired: uploads, results and old Idempotency-Keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

import structlog
from sqlalchemy import delete, select, tuple_
from vitrine.errors import Unavailable, VitrineError

from vitrine_gateway.database.tables import File, IdempotencyKey, Job, WorkerProcess
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.state_names import ENDED

EVERY_S = 300.0
WORKER_S = 86_400.0  # a worker that was silent for so long is forgotten
FAILURES = 20  # pictures in a row that cannot be removed, after which a cleaning stops
_AT_ONCE = 200
_FIRST = (0.0, "")

log = structlog.get_logger("vitrine_gateway.housekeeping")


class Housekeeper:
    """Cleans up every five minutes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._last = _FIRST  # the time and the id of the last picture that was looked at

    async def run(self) -> None:
        """Clean up until the task is cancelled."""
        while True:
            try:
                await self.clean()
            except VitrineError as error:  # without its traceback, where a path may name a person
                log.warning("cleaning up failed; it is tried again", error=str(error))
            except Exception:
                log.exception("cleaning up failed; it is tried again")
            await asyncio.sleep(EVERY_S)

    async def clean(self) -> int:
        """Remove all that has expired and return the number of pictures. An open job keeps its pictures."""
        gateway, now = self._gateway, time.time()
        async with gateway.database.writing() as session:
            oldest = now - gateway.settings.idempotency_hours * 3600
            await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < oldest))
            await session.execute(delete(WorkerProcess).where(WorkerProcess.seen_at < now - WORKER_S))
        removed = 0
        while expired := await self._expired(now, self._last):
            removed += await self._remove(expired)
        self._last = _FIRST
        return removed

    async def _expired(self, now: float, last: tuple[float, str]) -> list[File]:
        """Return the next pictures that have expired, after the time and the id of the last one."""
        at = tuple_(File.expires_at, File.id)
        newer = select(File).where(File.expires_at < now, at > last).order_by(File.expires_at, File.id)
        async with self._gateway.database.reading() as session:
            return list(await session.scalars(newer.limit(_AT_ONCE)))

    async def _remove(self, expired: Sequence[File]) -> int:
        """Remove the pictures that no open job needs, and return their number.

        One that cannot be removed keeps its row. After several in a row the store counts as away: Unavailable
        is raised, and the next cleaning goes on behind them.
        """
        gateway = self._gateway
        async with gateway.database.reading() as session:
            open_jobs = list(await session.scalars(select(Job.request).where(Job.state.not_in(ENDED))))
        used = {one for request in open_jobs for ids in request["pictures"].values() for one in ids}
        gone, failures = await self._delete(expired, used)
        async with gateway.database.writing() as session:
            await session.execute(delete(File).where(File.id.in_(gone)))
        if failures == FAILURES:
            raise Unavailable(f"{failures} pictures in a row cannot be removed")
        return len(gone)

    async def _delete(self, expired: Sequence[File], used: Collection[str]) -> tuple[list[str], int]:
        """Delete the bytes of pictures that are not used; return their ids, and the failures at the end.

        The bytes go before their rows: a row without bytes is tried again.
        """
        gone, failures = [], 0
        for file in expired:
            if failures == FAILURES:
                break
            self._last = (file.expires_at or 0.0, file.id)
            if file.id in used:
                continue
            try:
                await self._gateway.pictures.delete(file.path)
            except VitrineError as error:
                log.warning("a picture cannot be removed; it is tried again", id=file.id, error=str(error))
                failures += 1
            else:
                gone.append(file.id)
                failures = 0
        return gone, failures
