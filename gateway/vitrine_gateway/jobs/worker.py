"""Runs jobs. A worker leases a job, runs its pipeline, and ends the job under its lease.

What a worker that dies leaves behind is a lease, which runs out; another worker then takes the job. Only the
holder of the lease can end a job, so its result and its payment happen once.

What happens to a database or a server during a job is not the job's fault and takes none of its tries: the
worker waits for the database, and a job whose server was lost waits for it like one whose worker was lost.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any

import structlog
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session
from vitrine import Progress, VitrineError, call_headers

from vitrine_gateway.bells import QUEUE
from vitrine_gateway.database.connections import AWAY, patiently
from vitrine_gateway.database.tables import File, Job
from vitrine_gateway.errors import WorkerLost
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs import leasing, states
from vitrine_gateway.jobs.endings import Attempt, Endings
from vitrine_gateway.jobs.made import Inputs, Made
from vitrine_gateway.jobs.names import names_of
from vitrine_gateway.jobs.pipelines import PIPELINES
from vitrine_gateway.jobs.previews import PREVIEW_EVERY_S, keep_preview, with_previews
from vitrine_gateway.jobs.server import Server
from vitrine_gateway.jobs.state_names import CANCELED
from vitrine_gateway.jobs.uninterrupted import uninterrupted

PROGRESS_EVERY_S = 0.25  # of one job, as far as the next line allows
PROGRESS_A_SECOND = 8  # of all jobs of a process: each one is a transaction, and wakes all who follow the job
REQUEUE_S = 0.2  # between two looks for jobs whose leases have run out

log = structlog.get_logger("vitrine_gateway.worker")


class Worker:
    """Runs up to `settings.workers` jobs at the same time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._settings = gateway, gateway.settings
        # random: of two containers the process ids are alike, and so may be the beginnings of their names
        self._name = f"{socket.gethostname()[:20]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._attempts: dict[str, Attempt] = {}  # by lease
        self._renewed = self._requeued = float("-inf")
        self._server = Server(gateway.vitrine)
        self._endings = Endings(gateway, self._server)

    async def run(self) -> None:
        """Run jobs until the task is cancelled; then give unfinished jobs back for other workers."""
        rung = True
        try:
            while True:
                held = len(self._attempts)  # the end of one rings too, and says only that there is room
                with self._gateway.bells.listening(QUEUE) as bell:
                    try:
                        await self._watch()
                        room = len(self._attempts) < self._settings.workers
                        if room and await self._server.there() and await self._take(rung):
                            rung = False
                            continue
                    except (VitrineError, OSError, RuntimeError) as error:
                        log.exception("the worker cannot reach its database", error=str(error))
                    except Exception:
                        log.exception("the worker's loop failed; it goes on")
                    rung = await bell.wait(self._settings.poll_s)
                    rung = rung and len(self._attempts) == held
        finally:
            attempts = list(self._attempts.values())
            for lease in list(self._attempts):
                self._stop(lease)
            ends = (one.task or self._endings.give_back(one) for one in attempts)
            await asyncio.gather(*ends, return_exceptions=True)
            await asyncio.shield(self._take_leave())

    async def _watch(self) -> None:
        """Renew leases in time; end attempts whose lease is lost or whose caller has cancelled."""
        leases = list(self._attempts)
        if time.monotonic() - self._renewed > self._settings.lease_s / 3:
            async with self._gateway.database.writing(durable=False) as session:
                await leasing.tell_places(session, self._name, self._settings.workers)
                held = await leasing.renew(session, leases, self._settings.lease_s)
            self._renewed = time.monotonic()
            for lease in set(leases) - held:
                self._stop(lease)
        if not leases:
            return
        for lease in await self._gateway.database.read(lambda session: leasing.to_cancel(session, leases)):
            if attempt := self._attempts.get(lease):
                attempt.cancelled = True
            self._stop(lease)

    def _stop(self, lease: str) -> None:
        attempt = self._attempts.get(lease)
        if attempt and attempt.task and not attempt.ending:
            attempt.ending = True  # a second cancellation would interrupt the writing of the first
            attempt.task.cancel()

    async def _take(self, rung: bool) -> bool:
        """Lease one job and start it; return whether there was one.

        Where no bell says that there is one, a short look comes first: it costs less than a transaction that
        writes.
        """
        if not rung and not await self._gateway.database.read(leasing.is_anything_due):
            return False
        attempt = await uninterrupted(self._lease())
        if attempt is None:
            return False
        attempt.task = asyncio.create_task(self._attempt(attempt), name=f"job {attempt.job.id}")
        self._ring(attempt.job)
        await asyncio.sleep(0)  # it begins before this looks for the next one
        return True

    async def _lease(self) -> Attempt | None:
        """Lease one job, if there is one, and hold it: a worker that is cancelled here gives it back."""
        async with self._gateway.database.writing(durable=False) as session:
            lost = 0
            if time.monotonic() - self._requeued > REQUEUE_S:
                lost, self._requeued = await leasing.requeue_lost(session), time.monotonic()
            job = await leasing.lease_next(session, self._name, self._settings.lease_s)
        self._gateway.metrics.lost_leases.inc(lost)
        if job is None:
            return None
        assert job.lease, "it was leased"
        attempt = self._attempts[job.lease] = Attempt(job, job.lease)
        return attempt

    async def _attempt(self, attempt: Attempt) -> None:
        """Run one try and end it; log what nobody foresaw."""
        structlog.contextvars.bind_contextvars(job_id=attempt.job.id, account_id=attempt.job.account_id)
        self._gateway.metrics.running.inc()
        try:
            await self._run_and_end(attempt)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("the end of a job could not be written; its lease will run out")
        finally:
            self._attempts.pop(attempt.lease, None)
            self._gateway.metrics.running.dec()
            self._ring(attempt.job, ended=True)
            self._gateway.bells.ring(QUEUE)

    async def _run_and_end(self, attempt: Attempt) -> None:
        """Run one try and end it; where the worker stops before the end is written, give the job back."""
        try:
            failure = await self._run_and_keep(attempt)
            if failure is not None:
                await self._endings.failed(attempt, failure)
        except asyncio.CancelledError:
            if attempt.cancelled:
                await self._endings.end(attempt, CANCELED)
            else:
                await asyncio.shield(self._endings.give_back(attempt))

    async def _run_and_keep(self, attempt: Attempt) -> VitrineError | None:
        """Run one try and end the job with what it made, or return why there is nothing."""
        job = attempt.job
        try:
            if job.losses > leasing.MAX_LOSSES:
                raise WorkerLost(f"{job.losses} times a worker or the server ended while it ran this job")
            if job.cancel:
                attempt.cancelled = True
                raise asyncio.CancelledError
            made = await self._traced_run(attempt)
        except VitrineError as error:
            return error
        except Exception:
            log.exception("a job failed in the gateway")
            return VitrineError("the gateway failed; its log says how")
        await self._endings.succeeded(attempt, made)
        return None

    async def _traced_run(self, attempt: Attempt) -> Made:
        """Run the pipeline in a span below that of the request; Triton gets its traceparent."""
        job = attempt.job
        told: dict[str, str | int] = {"job_id": job.id, "pipeline": job.pipeline, "try": job.tries + 1}
        with self._gateway.tracing.span(f"job {job.pipeline}", "CONSUMER", job.trace, told) as traced:
            headers = {"traceparent": traced.traceparent} if traced.traceparent else {}
            with call_headers(headers):
                return await self._run(attempt)

    async def _run(self, attempt: Attempt) -> Made:
        """Run the pipeline and return what it made; write its progress now and then."""
        job, pipeline = attempt.job, PIPELINES[attempt.job.pipeline]
        inputs = await self._inputs(job)
        written = shown = float("-inf")
        sent = [(name, one) for name, several in inputs.pictures.items() for one in several]
        await self._gateway.moderation.check("before", job, sent)
        events = pipeline.run(self._gateway.vitrine, inputs, self._settings.job_timeout_s)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Made):
                    made = [] if event.content is None else [("result", event.content)]
                    await self._gateway.moderation.check("after", job, made)
                    return event
                if event.preview is not None and time.monotonic() - shown >= PREVIEW_EVERY_S:
                    shown = time.monotonic()
                    await self._preview(attempt, event.preview, event.step)
                pause_s = max(PROGRESS_EVERY_S, len(self._attempts) / PROGRESS_A_SECOND)
                if time.monotonic() - written >= pause_s:
                    written = time.monotonic()
                    await self._progress(attempt, event)
        raise VitrineError("the pipeline ended without a result")

    async def _inputs(self, job: Job) -> Inputs:
        request = job.request
        ids = [one for several in request["pictures"].values() for one in several]
        paths = await patiently(lambda: self._paths(ids))
        for name, of_input in request["pictures"].items():
            if missing := [one for one in of_input if one not in paths]:
                raise VitrineError(f"{name}: the picture {missing[0]} has expired or was erased")
        contents = await asyncio.gather(*(self._gateway.pictures.get(paths[one]) for one in ids))
        read = dict(zip(ids, contents, strict=True))
        pictures = {name: [read[one] for one in of_input] for name, of_input in request["pictures"].items()}
        named = await patiently(lambda: names_of(self._gateway, job.account_id, job.user, request))
        options = with_previews(self._gateway, PIPELINES[job.pipeline], request["options"])
        return Inputs(options, pictures, *named)

    async def _paths(self, ids: list[str]) -> dict[str, str]:
        def read(session: Session) -> dict[str, str]:
            rows = session.execute(select(File.id, File.path).where(File.id.in_(ids)))
            return {row.id: row.path for row in rows}

        return await self._gateway.database.read(read)

    async def _preview(self, attempt: Attempt, picture: Image.Image, step: int) -> None:
        await self._tell(
            attempt, lambda: keep_preview(self._gateway, attempt.job, attempt.lease, picture, step)
        )

    async def _tell(self, attempt: Attempt, write: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        """Write something of the running job; while the database is away it is left out."""
        try:
            held = await uninterrupted(write())
        except AWAY:
            return
        if not held:
            raise asyncio.CancelledError  # another worker has the job, or its person was erased
        self._ring(attempt.job)

    def _ring(self, job: Job, ended: bool = False) -> None:
        self._gateway.bells.ring_job(job.id, job.batch_id, ended=ended)

    async def _progress(self, attempt: Attempt, event: Progress) -> None:
        told = {
            "step": event.step,
            "steps": event.steps,
            "percent": round(100 * event.step / max(event.steps, 1)),
            "left_s": None if event.left_s is None else round(event.left_s, 2),
            "at": round(time.time(), 3),
        }
        attempt.job.progress = told
        await self._tell(attempt, lambda: self._note(attempt, told))

    async def _note(self, attempt: Attempt, told: dict[str, Any]) -> bool:
        lease_s = self._settings.lease_s
        told |= (await self._gateway.forecast.estimate(attempt.job)).told()
        async with self._gateway.database.writing(durable=False) as session:
            return await states.note_progress(session, attempt.job.id, attempt.lease, told, lease_s)

    async def _take_leave(self) -> None:
        with suppress(Exception):
            async with self._gateway.database.writing(durable=False) as session:
                await leasing.take_leave(session, self._name)
