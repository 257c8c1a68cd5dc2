"""Ends the tries of jobs: what a try made is kept, or the job waits for its next try, or it has failed.

A database that is away is waited for. Its last commit may have been done although it raised an error, so each
write first looks whether it has happened.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from vitrine import VitrineError

from vitrine_gateway.database.connections import patiently
from vitrine_gateway.database.tables import File, Job
from vitrine_gateway.errors import kind_of, problem_of
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs import leasing, states
from vitrine_gateway.jobs.made import Made
from vitrine_gateway.jobs.server import Server
from vitrine_gateway.jobs.state_names import FAILED, SUCCEEDED
from vitrine_gateway.pictures.keeping import add_rows, discard, image_of, keep
from vitrine_gateway.pictures.reading import Upload

FIRST_PAUSE_S = 2.0  # before the second try; it doubles: 2, 4, 8 s

log = structlog.get_logger("vitrine_gateway.worker")


@dataclass
class Attempt:
    """One try of a job in this process."""

    job: Job
    lease: str
    task: asyncio.Task[None] | None = None
    cancelled: bool = False  # by the caller
    ending: bool = False  # its end is being written, which is not interrupted


class Endings:
    """Ends tries under their leases."""

    def __init__(self, gateway: Gateway, server: Server) -> None:
        self._gateway, self._settings, self._server = gateway, gateway.settings, server

    async def succeeded(self, attempt: Attempt, made: Made) -> None:
        """Keep what the try has made and end the job; all is thrown away if another worker has it.

        A store of pictures that fails is a failure of the try.
        """
        attempt.ending, job = True, attempt.job
        try:
            files = await self._keep(job, made)
        except VitrineError as error:
            await self.failed(attempt, error)
            return
        result = {**({"image": image_of(files[0])} if files else {}), **made.facts}
        kept = files[0].id if files else ""

        async def written() -> bool:
            async with self._gateway.database.writing() as session:
                ended = await states.end(session, job.id, SUCCEEDED, lease=attempt.lease, result=result)
                if ended is None:  # perhaps by a commit that raised an error although it was done
                    return await session.get(File, kept) is not None
                await add_rows(session, files)
                return True

        try:
            ended = await patiently(written)
        except BaseException:
            await asyncio.shield(discard(self._gateway, files))
            raise
        if not ended:
            await discard(self._gateway, files)
            await self._forgive(job)
            return
        metrics = self._gateway.metrics
        metrics.job_seconds.labels(job.pipeline).observe(time.time() - job.created_at)
        metrics.jobs.labels(job.pipeline, SUCCEEDED).inc()
        log.info("job ended", state=SUCCEEDED, seconds=round(time.time() - job.created_at, 3))

    async def _keep(self, job: Job, made: Made) -> list[File]:
        """Keep the picture of a job, if it has made one, and return its row."""
        if made.content is None:
            return []
        size = int(made.facts["width"]), int(made.facts["height"])
        picture = Upload(made.content, *size, made.media_type)
        return [await keep(self._gateway, job.account_id, job.user, "result", picture)]

    async def failed(self, attempt: Attempt, error: VitrineError) -> None:
        """Let the job try again, or end it as failed. While it looks at the server, it may be cancelled."""
        job, told = attempt.job, problem_of(error)
        found = await self._server.look_after(job.pipeline, error)
        attempt.ending = True
        lost = found == "lost"
        retried = found == "unknown" or kind_of(error).retried
        again = job.losses < leasing.MAX_LOSSES if lost else retried and job.tries + 1 < self._settings.tries
        if not again:
            await self.end(attempt, FAILED, told)
            return
        pause_s = leasing.loss_pause_s(job.losses + 1) if lost else FIRST_PAUSE_S * 2**job.tries

        async def written() -> None:
            async with self._gateway.database.writing() as session:
                await states.put_back(session, job.id, attempt.lease, after_s=pause_s, error=told, lost=lost)

        await patiently(written)
        self._gateway.metrics.retries.labels(job.pipeline).inc()
        log.warning("job is tried again", after_s=pause_s, error=told["detail"])

    async def end(self, attempt: Attempt, state: str, error: Mapping[str, Any] | None = None) -> None:
        """End the job without a result."""

        async def written() -> Job | None:
            async with self._gateway.database.writing() as session:
                return await states.end(session, attempt.job.id, state, lease=attempt.lease, error=error)

        ended = await patiently(written)
        if ended is not None:
            self._gateway.metrics.jobs.labels(ended.pipeline, state).inc()
            log.info("job ended", state=state, error=error["detail"] if error else None)

    async def give_back(self, attempt: Attempt) -> None:
        """Queue the job again without counting a try; if the lease was lost, this worker was not."""
        with suppress(Exception):
            async with self._gateway.database.writing() as session:
                if await states.put_back(session, attempt.job.id, attempt.lease, after_s=0.0, error=None):
                    return
            await self._forgive(attempt.job)

    async def _forgive(self, job: Job) -> None:
        """Take back the loss of a job whose lease ran out while this worker lived."""
        async with self._gateway.database.writing() as session:
            await leasing.forgive(session, job.id)
