"""Serves try-ons that an application queues with BullMQ, as the workers of CloszIT's `vto-queue` did.

A queued job becomes a job of the gateway, which holds its state; Redis is only the way in and the way back.
A job that BullMQ gives out twice, because this process died, is the same job of the gateway and is paid once.
"""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Annotated, Any

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from vitrine import VitrineError

from vitrine_gateway.access import account_of_settings
from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.database.tables import Job
from vitrine_gateway.errors import KINDS, BadSettings, first_fault, kind_of
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.fields import Category, Name
from vitrine_gateway.jobs.pipelines import MAX_GARMENTS
from vitrine_gateway.jobs.state_names import ENDED, SUCCEEDED
from vitrine_gateway.jobs.submitting import Submission, submit
from vitrine_gateway.jobs.views import follow, load_job, picture_url

if TYPE_CHECKING:
    from bullmq import Job as Queued

LOCK_MS = 60_000  # a job whose lock is not renewed for so long goes to another worker
STALLED_MS = 30_000
TOO_MANY = 429
RETRIED = {kind.code for kind in KINDS.values() if kind.retried}
PAUSE_MS = 2000  # before the second try of a job with a backoff that this package does not know; it doubles

log = structlog.get_logger("vitrine_gateway.queue")


class QueuedTryOn(BaseModel):
    """The data of a queued job: the user, and one garment or several in one picture."""

    model_config = ConfigDict(extra="ignore")

    userId: Name
    clothingId: Name | None = None
    clothingIds: Annotated[list[Name], Field(max_length=MAX_GARMENTS)] = []
    denoiseSteps: Annotated[int, Field(ge=1, le=100)] = 10
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 42
    category: Category | None = None

    def submission(self) -> Submission:
        """Return the try-on of a person and garments whose data the server has."""
        garments = self.clothingIds or [one for one in [self.clothingId] if one]
        options: dict[str, Any] = {"steps": self.denoiseSteps, "seed": self.seed}
        if self.category:
            options["category"] = [self.category] * len(garments)
        person = self.userId
        return Submission("try_on", person, options, person_id=person, garment_ids=tuple(garments))


class QueueBridge:
    """Takes jobs from a queue of BullMQ, up to `settings.queue_at_once` at the same time."""

    def __init__(self, gateway: Gateway, caller: Caller) -> None:
        self._gateway, self._caller = gateway, caller

    async def run(self, stalled_ms: int = STALLED_MS, lock_ms: int = LOCK_MS) -> None:
        """Serve until the task is cancelled. Raises BadSettings without the extra `bullmq`."""
        try:
            from bullmq import Worker
        except ImportError as error:
            raise BadSettings("the queue needs the extra bullmq: pip install 'vitrine[bullmq]'") from error
        settings = self._gateway.settings
        options = {
            "connection": settings.redis,
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
            await worker.run()
        finally:
            with suppress(Exception):
                await worker.close(force=True)  # its jobs stall, and are found again under their keys

    async def _process(self, queued: Queued, token: str) -> dict[str, Any]:
        """Run one queued job; what is raised is its failure, which BullMQ may try again."""
        structlog.contextvars.bind_contextvars(queued_id=queued.id)
        key = f"bullmq:{self._gateway.settings.queue}:{queued.id}:{queued.attemptsMade}"
        try:
            wanted = QueuedTryOn.model_validate(queued.data).submission()
            job, again = await submit(self._gateway, self._caller, wanted, key)
        except ValidationError as error:
            place, wrong = first_fault(error)
            raise _failure(f"{place}: {wrong}", again=False) from error
        except VitrineError as error:
            kind = kind_of(error)
            raise _failure(f"{kind.code}: {error}", again=kind.retried or kind.status == TOO_MANY) from error
        log.info("queued job", job_id=job.id, again=again)
        await self._tell_progress(queued, job)
        return self._result(await load_job(self._gateway, self._caller, job.id))

    async def _tell_progress(self, queued: Queued, job: Job) -> None:
        """Pass on the job's progress in percent, which only rises, until its end."""
        told = 10 + 10 * queued.attemptsMade
        await queued.updateProgress(told)
        async with aclosing(follow(self._gateway, job.id)) as events:
            async for event in events:
                percent = 0 if event is None else event.data.get("percent", 0)
                if told < percent < 100:
                    told = percent
                    await queued.updateProgress(told)
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


def _failure(text: str, *, again: bool) -> Exception:
    """Return the exception that fails a queued job, for good or until BullMQ's next attempt."""
    from bullmq import UnrecoverableError

    return RuntimeError(text) if again else UnrecoverableError(text)


def _pause_ms(attempts: int, *_: Any) -> int:
    """Return the pause after so many attempts, in ms: 2, 4, 8 s."""
    return PAUSE_MS * 2 ** (attempts - 1)
