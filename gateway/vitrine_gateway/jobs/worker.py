"""Runs jobs. A worker leases a job, runs its pipeline, and ends the job under its lease.

What a worker that dies leaves behind is a lease, which runs out; another worker then takes the job. Only the
holder of the lease can end a job, so its result and its payment happen once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

import structlog
from PIL import Image
from sqlalchemy import select
from vitrine import Progress, VitrineError, call_headers

from vitrine_gateway.bells import QUEUE
from vitrine_gateway.database.tables import File, Job
from vitrine_gateway.errors import WorkerLost, kind_of, problem_of
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs import leasing, states
from vitrine_gateway.jobs.pipelines import PIPELINES, Inputs, Made
from vitrine_gateway.jobs.previews import PREVIEW_EVERY_S, keep_preview, with_previews
from vitrine_gateway.jobs.uninterrupted import uninterrupted
from vitrine_gateway.pictures.keeping import discard, keep
from vitrine_gateway.pictures.reading import Upload

FIRST_PAUSE_S = 2.0  # before the second try; it doubles: 2, 4, 8 s
MAX_LOSSES = 5  # a job whose workers died more often ends as failed
PROGRESS_EVERY_S = 0.25

log = structlog.get_logger("vitrine_gateway.worker")


@dataclass
class Attempt:
    """One try of a job in this process."""

    job: Job
    lease: str
    task: asyncio.Task[None] | None = None
    cancelled: bool = False  # by the caller
    ending: bool = False  # its end is being written, which is not interrupted


class Worker:
    """Runs up to `settings.workers` jobs at the same time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._settings = gateway, gateway.settings
        self._name = f"{socket.gethostname()[:20]}-{os.getpid()}"
        self._attempts: dict[str, Attempt] = {}  # by lease
        self._renewed = float("-inf")

    async def run(self) -> None:
        """Run jobs until the task is cancelled; then give unfinished jobs back for other workers."""
        try:
            while True:
                try:
                    await self._watch()
                    if len(self._attempts) < self._settings.workers and await self._take():
                        continue
                except (VitrineError, OSError, RuntimeError) as error:
                    log.exception("the worker cannot reach its database", error=str(error))
                except Exception:
                    log.exception("the worker's loop failed; it goes on")
                await self._gateway.bells.wait(QUEUE, self._settings.poll_s)
        finally:
            tasks = [one.task for one in self._attempts.values() if one.task]
            for lease in list(self._attempts):
                self._stop(lease)
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.shield(self._take_leave())

    async def _watch(self) -> None:
        """Renew leases in time; end attempts whose lease is lost or whose caller has cancelled."""
        leases = list(self._attempts)
        if time.monotonic() - self._renewed > self._settings.lease_s / 3:
            async with self._gateway.database.writing() as session:
                await leasing.tell_places(session, self._name, self._settings.workers)
                held = await leasing.renew(session, leases, self._settings.lease_s)
            self._renewed = time.monotonic()
            for lease in set(leases) - held:
                self._stop(lease)
        if not leases:
            return
        async with self._gateway.database.reading() as session:
            cancelled = await leasing.to_cancel(session, leases)
        for lease in cancelled:
            if attempt := self._attempts.get(lease):
                attempt.cancelled = True
            self._stop(lease)

    def _stop(self, lease: str) -> None:
        attempt = self._attempts.get(lease)
        if attempt and attempt.task and not attempt.ending:
            attempt.ending = True  # a second cancellation would interrupt the writing of the first
            attempt.task.cancel()

    async def _take(self) -> bool:
        """Lease one job and start it; return whether there was one."""
        async with self._gateway.database.writing() as session:
            job = await leasing.lease_next(session, self._name, self._settings.lease_s)
        if job is None:
            return False
        assert job.lease, "it was leased"
        if job.losses:
            self._gateway.metrics.lost_leases.inc()
        attempt = self._attempts[job.lease] = Attempt(job, job.lease)
        attempt.task = asyncio.create_task(self._attempt(attempt), name=f"job {job.id}")
        self._gateway.bells.ring(job.id)
        return True

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
            self._gateway.bells.ring(QUEUE, attempt.job.id)

    async def _run_and_end(self, attempt: Attempt) -> None:
        job = attempt.job
        try:
            if job.losses > MAX_LOSSES:
                raise WorkerLost(f"{job.losses} workers ended while they ran this job")
            if job.cancel:
                attempt.cancelled = True
                raise asyncio.CancelledError
            made = await self._traced_run(attempt)
            attempt.ending = True
        except asyncio.CancelledError:
            if attempt.cancelled:
                await self._end(attempt, states.CANCELED)
            else:
                await asyncio.shield(self._give_back(attempt))
            return
        except VitrineError as error:
            await self._failed(attempt, error)
        except Exception:
            log.exception("a job failed in the gateway")
            await self._failed(attempt, VitrineError("the gateway failed; its log says how"))
        else:
            await self._succeeded(attempt, made)

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
                if time.monotonic() - written >= PROGRESS_EVERY_S:
                    written = time.monotonic()
                    await self._progress(attempt, event)
        raise VitrineError("the pipeline ended without a result")

    async def _inputs(self, job: Job) -> Inputs:
        request = job.request
        async with self._gateway.database.reading() as session:
            found = await session.scalars(
                select(File).where(File.id.in_([one for ids in request["pictures"].values() for one in ids]))
            )
            paths = {file.id: file.path for file in found}
        pictures = {}
        for name, ids in request["pictures"].items():
            if missing := [one for one in ids if one not in paths]:
                raise VitrineError(f"{name}: the picture {missing[0]} has expired or was erased")
            pictures[name] = [await self._gateway.pictures.get(paths[one]) for one in ids]
        person_id = request["person_id"]
        if person_id is None and job.user:
            person_id = self._gateway.signer.person_id(job.account_id, job.user)
        options = with_previews(self._gateway, PIPELINES[job.pipeline], request["options"])
        return Inputs(options, pictures, person_id, request["garment_ids"])

    async def _preview(self, attempt: Attempt, picture: Image.Image, step: int) -> None:
        if not await uninterrupted(keep_preview(self._gateway, attempt.job, attempt.lease, picture, step)):
            raise asyncio.CancelledError  # as for progress
        self._gateway.bells.ring(attempt.job.id)

    async def _progress(self, attempt: Attempt, event: Progress) -> None:
        told = {
            "step": event.step,
            "steps": event.steps,
            "percent": round(100 * event.step / max(event.steps, 1)),
            "left_s": None if event.left_s is None else round(event.left_s, 2),
            "at": round(time.time(), 3),
        }
        attempt.job.progress = told
        told |= (await self._gateway.forecast.estimate(attempt.job)).told()
        if not await uninterrupted(self._note(attempt, told)):
            raise asyncio.CancelledError  # another worker has the job, or its person was erased
        self._gateway.bells.ring(attempt.job.id)

    async def _note(self, attempt: Attempt, told: Mapping[str, Any]) -> bool:
        lease_s = self._settings.lease_s
        async with self._gateway.database.writing() as session:
            return await states.note_progress(session, attempt.job.id, attempt.lease, told, lease_s)

    async def _succeeded(self, attempt: Attempt, made: Made) -> None:
        job, files = attempt.job, await self._keep(attempt.job, made)
        images = [
            {"file_id": one.id, "media_type": one.media_type, "width": one.width, "height": one.height}
            for one in files
        ]
        result = {**({"image": images[0]} if images else {}), **made.facts}
        try:
            async with self._gateway.database.writing() as session:
                ended = await states.end(
                    session, job.id, states.SUCCEEDED, lease=attempt.lease, result=result
                )
                if ended is not None:
                    session.add_all(files)
        except BaseException:
            await asyncio.shield(discard(self._gateway, files))
            raise
        if ended is None:
            await discard(self._gateway, files)
            return
        metrics = self._gateway.metrics
        metrics.job_seconds.labels(job.pipeline).observe(time.time() - job.created_at)
        metrics.jobs.labels(job.pipeline, states.SUCCEEDED).inc()
        log.info("job ended", state=states.SUCCEEDED, seconds=round(time.time() - job.created_at, 3))

    async def _keep(self, job: Job, made: Made) -> list[File]:
        """Keep the picture of a job, if it has made one, and return its row."""
        if made.content is None:
            return []
        size = int(made.facts["width"]), int(made.facts["height"])
        picture = Upload(made.content, "", *size, made.media_type)
        return [await keep(self._gateway, job.account_id, job.user, "result", picture)]

    async def _failed(self, attempt: Attempt, error: VitrineError) -> None:
        """Let the job try again, or end it as failed."""
        job, told = attempt.job, problem_of(error)
        if not kind_of(error).retried or job.tries + 1 >= self._settings.tries:
            await self._end(attempt, states.FAILED, told)
            return
        pause_s = FIRST_PAUSE_S * 2**job.tries
        async with self._gateway.database.writing() as session:
            await states.put_back(session, job.id, attempt.lease, after_s=pause_s, error=told)
        self._gateway.metrics.retries.labels(job.pipeline).inc()
        log.warning("job is tried again", after_s=pause_s, error=told["detail"])

    async def _end(self, attempt: Attempt, state: str, error: Mapping[str, Any] | None = None) -> None:
        async with self._gateway.database.writing() as session:
            ended = await states.end(session, attempt.job.id, state, lease=attempt.lease, error=error)
        if ended is not None:
            self._gateway.metrics.jobs.labels(ended.pipeline, state).inc()
            log.info("job ended", state=state, error=error["detail"] if error else None)

    async def _give_back(self, attempt: Attempt) -> None:
        """Queue the job again without counting a try; nothing happens if the lease is lost."""
        with suppress(Exception):
            async with self._gateway.database.writing() as session:
                await states.put_back(session, attempt.job.id, attempt.lease, after_s=0.0, error=None)

    async def _take_leave(self) -> None:
        with suppress(Exception):
            async with self._gateway.database.writing() as session:
                await leasing.take_leave(session, self._name)
