"""Removes what has expired: uploads, results and old Idempotency-Keys."""

from __future__ import annotations

import asyncio
import time

import structlog
from sqlalchemy import delete, select

from vitrine_gateway.database.tables import File, IdempotencyKey, Job, WorkerProcess
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.states import ENDED

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
            except Exception:
                log.exception("cleaning up failed; it is tried again")
            await asyncio.sleep(EVERY_S)

    async def clean(self) -> int:
        """Remove what has expired and return the number of pictures. An unfinished job keeps its pictures."""
        gateway, now = self._gateway, time.time()
        async with gateway.database.writing() as session:
            oldest = now - gateway.settings.idempotency_hours * 3600
            await session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < oldest))
            await session.execute(delete(WorkerProcess).where(WorkerProcess.seen_at < now - WORKER_S))
        async with gateway.database.reading() as session:
            expired = list(await session.scalars(select(File).where(File.expires_at < now).limit(_AT_ONCE)))
            open_jobs = list(await session.scalars(select(Job.request).where(Job.state.not_in(ENDED))))
        used = {one for request in open_jobs for ids in request["pictures"].values() for one in ids}
        gone = [file for file in expired if file.id not in used]
        for file in gone:
            await gateway.pictures.delete(file.path)  # the bytes first: a row without bytes is tried again
        async with gateway.database.writing() as session:
            await session.execute(delete(File).where(File.id.in_([file.id for file in gone])))
        return len(gone)
