"""Serves try-ons that an application queues with BullMQ.

A queued job becomes a job of the gateway, which holds its state; Redis is only the way in and the way back.
A job that BullMQ gives out twice, because a process died or stopped, is the same job of the gateway and is
paid once. A job that cannot begin now goes back into the queue without using one of its attempts.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError
from vitrine import VitrineError
from vitrine.errors import NotFound

from vitrine_gateway.access import account_of_settings
from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.database.connections import AWAY
from vitrine_gateway.database.tables import Job
from vitrine_gateway.erasure import erased_since
from vitrine_gateway.errors import KINDS, BadSettings, first_fault, kind_of
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.state_names import CANCELED, ENDED, SUCCEEDED
from vitrine_gateway.jobs.submitting import Submission, submit
from vitrine_gateway.jobs.views import follow, load_job, picture_url
from vitrine_gateway.queue_bridge.queued import QueuedTryOn, key_of

if TYPE_CHECKING:
    from bullmq import Job as Queued

LOCK_MS = 60_000  # a job whose lock is not renewed for so long goes to another worker
STALLED_MS = 30_000
RETRIED = {kind.code for kind in KINDS.values() if kind.retried}
PAUSE_MS = 2000  # before the second try of a job with a backoff that this package does not know; it doubles
AWAY_S = 10.0  # for which a job waits when the database is away
SOCKET_S = 20  # longest time of an answer of Redis, for whose next job the worker asks for 10 s at a time
PUT_BACK_S = 5.0  # longest time for which a process that stops waits for Redis to take a job back

log = structlog.get_logger("vitrine_gateway.queue")


class QueueBridge:
    """Takes jobs from a queue of BullMQ, up to `settings.queue_at_once` at the same time."""

    def __init__(self, gateway: Gateway, caller: Caller) -> None:
        self._gateway, self._caller = gateway, caller

    async def run(self, stalled_ms: int = STALLED_MS, lock_ms: int = LOCK_MS) -> None:
        """Serve until the task is cancelled, then put back the jobs that run.

        Raises BadSettings without the extra `bullmq`, and for an address of Redis that it cannot use.
        """
        try:
            from vitrine_gateway.queue_bridge.redis_watch import RedisWatch

            watch = RedisWatch(self._gateway.settings.redis)
        except ImportError as error:
            raise BadSettings("the queue needs the extra bullmq: pip install 'vitrine[bullmq]'") from error
        except ValueError as error:  # an option that Redis' client does not know, or no address
            raise BadSettings(f"GATEWAY_REDIS: {error}") from error
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch.run())
            await watch.answered.wait()
            await self._serve(stalled_ms, lock_ms)
            watching.cancel()

    async def _serve(self, stalled_ms: int, lock_ms: int) -> None:
        from bullmq import Worker

        settings = self._gateway.settings
        options = {
            "connection": patient(settings.redis),
            "concurrency": settings.queue_at_once,
            "lockDuration": lock_ms,
            "stalledInterval": stalled_ms,
            "maxStalledCount": 3,
            "autorun": False,
            "settings": {"backoffStrategy": _pause_ms},
        }
        worker = Worker(settings.queue, self._process, options)
        worker.on("error", lambda error, *_: log.warning("the queue failed", error=str(error)[:300]))
        log.info("the queue is served", queue=settings.queue)
        try:
            await worker.run()  # when it is cancelled, it cancels each _process and waits for them
        finally:
            with suppress(Exception):
                await worker.close(force=True)

    async def _process(self, queued: Queued, token: str) -> dict[str, Any]:
        """Run one queued job; what is raised is its failure, which BullMQ may try again."""
        structlog.contextvars.bind_contextvars(queued_id=queued.id)
        try:
            job, again = await self._submit(queued)
            log.info("queued job", job_id=job.id, again=again)
            await self._tell_progress(queued, job, again)
            return self._result(await load_job(self._gateway, self._caller, job.id))
        except asyncio.CancelledError:  # this process stops; the gateway's job goes on
            with suppress(Exception):
                async with asyncio.timeout(PUT_BACK_S):
                    await _put_back(queued, token, 0)
            raise
        except AWAY as error:
            seconds, reason = AWAY_S, type(error).__name__
        except VitrineError as error:
            kind = kind_of(error)
            wait_s = getattr(error, "retry_after_s", None) or kind.retry_after_s
            if not wait_s:
                raise _failure(f"{kind.code}: {error}", again=kind.retried) from error
            seconds, reason = float(wait_s), kind.code
        log.info("queued job waits", seconds=seconds, reason=reason)
        await _put_back(queued, token, seconds)
        raise _moved()

    async def _submit(self, queued: Queued) -> tuple[Job, bool]:
        """Return the gateway's job of a queued one; the flag says that it was there before.

        A job that ended badly stands for an attempt that is over, so that another one is submitted. One that
        was canceled does so if BullMQ was told of it.
        """
        key, told = key_of(self._gateway.settings.queue, queued), _told(queued)
        try:
            wanted = QueuedTryOn.model_validate(queued.data).submission()
            await self._refuse_the_erased(queued, wanted)
            for number in itertools.count():
                job, again = await submit(self._gateway, self._caller, wanted, f"{key}:{number}")
                over = again and job.state in ENDED and job.state != SUCCEEDED
                if not over or (job.state == CANCELED and number >= told):
                    break
        except ValidationError as error:
            place, wrong = first_fault(error)
            raise _failure(f"{place}: {wrong}" if place else wrong, again=False) from error
        return job, again

    async def _refuse_the_erased(self, queued: Queued, wanted: Submission) -> None:
        """Raise NotFound if the person was erased after the job was queued."""
        since = queued.timestamp / 1000
        if await erased_since(self._gateway, self._caller, wanted.user, since):
            raise NotFound("the person was erased after this job was queued")

    async def _tell_progress(self, queued: Queued, job: Job, again: bool) -> None:
        """Pass on the job's progress in percent, which only rises, until its end."""
        told = 10 + 10 * queued.attemptsMade
        if again and isinstance(queued.progress, int):
            told = max(told, queued.progress)
        await _tell(queued, told)
        async with aclosing(follow(self._gateway, job.id)) as events:
            async for event in events:
                percent = 0 if event is None else event.data.get("percent", 0)
                if told < percent < 100:
                    told = percent
                    await _tell(queued, told)
                if event is None and not await self._exists(job):
                    return

    async def _exists(self, job: Job) -> bool:
        """Whether the job is still there: it may have been erased with its person."""
        async with self._gateway.database.reading() as session:
            found = await session.get(Job, job.id)
        return found is not None and found.state not in ENDED

    def _result(self, job: Job) -> dict[str, Any]:
        if job.state != SUCCEEDED:
            error = job.error or {"code": job.state, "detail": "the job was canceled"}
            raise _failure(f"{error['code']}: {error['detail']}", again=error["code"] in RETRIED)
        url = picture_url(self._gateway, job, self._gateway.settings.base_url)
        seed = (job.result or {}).get("seed")
        return {"success": True, "jobId": job.id, "imageUrl": url, "seed": seed}


async def serve_queue(gateway: Gateway) -> None:
    """Serve the queue of the settings. Raises BadSettings and Unauthorized."""
    await QueueBridge(gateway, await account_of_settings(gateway)).run()


def patient(url: str) -> str:
    """Return a Redis URL whose connections wait for an answer for longer than the worker asks for a job.

    Redis' client gives up after 5 s, and tries again after ever longer pauses, in which no job is taken.
    """
    return url if "socket_timeout=" in url else f"{url}{'&' if '?' in url else '?'}socket_timeout={SOCKET_S}"


async def _tell(queued: Queued, percent: int) -> None:
    """Tell BullMQ the progress; a Redis that is away loses it, and the job goes on."""
    try:
        await queued.updateProgress(percent)
    except Exception as error:
        log.warning("the progress was not told", error=str(error)[:300])


async def _put_back(queued: Queued, token: str, seconds: float) -> None:
    """Put a job back into the queue for so long; this uses none of its attempts."""
    await queued.moveToDelayed(round(1000 * (time.time() + seconds)), token)


def _told(queued: Queued) -> int:
    """Return how many failures of the job were told to BullMQ; its count of attempts can be reset."""
    return max(queued.attemptsMade, len(queued.stacktrace))


def _failure(text: str, *, again: bool) -> Exception:
    """Return the exception that fails a queued job, for good or until BullMQ's next attempt."""
    from bullmq import UnrecoverableError

    return RuntimeError(text) if again else UnrecoverableError(text)


def _moved() -> Exception:
    """Return the exception that tells BullMQ's worker that the job is no longer its own."""
    from bullmq import DelayedError

    return DelayedError()


def _pause_ms(attempts: int, *_: Any) -> int:
    """Return the pause after so many attempts, in ms: 2, 4, 8 s."""
    return PAUSE_MS * 2 ** (attempts - 1)
