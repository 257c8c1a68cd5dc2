"""Removes what has expired: uploads, results and old Idempotency-Keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog
from sqlalchemy import delete, select, tuple_
from vitrine.errors import VitrineError

from vitrine_gateway.database.tables import File, IdempotencyKey, Job, WorkerProcess
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.state_names import ENDED

EVERY_S = 300.0
WORKER_S = 86_400.0  # a worker that was silent for so long is forgotten
_AT_ONCE = 200

log = structlog.get_logger("vitrine_gateway.housekeeping")


class Housekeeper:
    """Cleans up every five minutes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

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
        removed, last = 0, (0.0, "")
        while expired := await self._expired(now, last):
            removed += await self._remove(expired)
            last = (expired[-1].expires_at or 0.0, expired[-1].id)
        return removed

    async def _expired(self, now: float, last: tuple[float, str]) -> list[File]:
        """Return the next pictures that have expired, after the time and the id of the last one."""
        at = tuple_(File.expires_at, File.id)
        newer = select(File).where(File.expires_at < now, at > last).order_by(File.expires_at, File.id)
        async with self._gateway.database.reading() as session:
            return list(await session.scalars(newer.limit(_AT_ONCE)))

    async def _remove(self, expired: Sequence[File]) -> int:
        """Remove the pictures that no open job needs, and return their number."""
        gateway = self._gateway
        async with gateway.database.reading() as session:
            open_jobs = list(await session.scalars(select(Job.request).where(Job.state.not_in(ENDED))))
        used = {one for request in open_jobs for ids in request["pictures"].values() for one in ids}
        gone = [file for file in expired if file.id not in used]
        for file in gone:
            await gateway.pictures.delete(file.path)  # the bytes first: a row without bytes is tried again
        async with gateway.database.writing() as session:
            await session.execute(delete(File).where(File.id.in_([file.id for file in gone])))
        return len(gone)
