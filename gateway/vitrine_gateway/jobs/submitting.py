"""Takes a job: the job, its pictures' rows, its Idempotency-Key and the hold on credits commit together."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import BadRequest, NotFound

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.bells import QUEUE
from vitrine_gateway.credits import ledger
from vitrine_gateway.credits.prices import price_of
from vitrine_gateway.database.deadlocks import despite_deadlocks
from vitrine_gateway.database.tables import Batch, File, Job, new_id, table_of
from vitrine_gateway.errors import TooMany
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.idempotency import add_key, earlier, fingerprint_of
from vitrine_gateway.jobs.pipelines import PIPELINES, Pipeline
from vitrine_gateway.jobs.state_names import QUEUED
from vitrine_gateway.jobs.states import add_event
from vitrine_gateway.jobs.work import work_of
from vitrine_gateway.pictures.keeping import add_rows, discard, keep
from vitrine_gateway.telemetry.tracing import TRACEPARENT
from vitrine_gateway.webhooks.guard import check_url

# Statements of every job are built once: building one costs more than running it.
_ADD_JOBS = insert(table_of(Job))
_WAITING = select(func.count()).where(Job.account_id == bindparam("account"), Job.state == QUEUED)


@dataclass(frozen=True)
class FileId:
    """A picture that was uploaded before."""

    id: str


@dataclass(frozen=True)
class Submission:
    """A request for a job, as a route has read it."""

    pipeline: str
    user: str = ""  # the caller's name of the person, for history and erasure
    options: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Sequence[bytes | FileId]] = field(default_factory=dict)
    person_id: str | None = None  # a person that the server knows by name: old routes only
    garment_ids: tuple[str, ...] = ()
    price: int | None = None  # of an old route that has a price of its own
    webhook: str | None = None
    contract: Mapping[str, Any] = field(default_factory=dict)  # what the answers of an old contract go by
    names: Mapping[str, str] = field(default_factory=dict)  # the caller's names of `webhook` and of pictures


async def submit(
    gateway: Gateway, caller: Caller, wanted: Submission, key: str | None = None
) -> tuple[Job, bool]:
    """Queue the job and return it; the flag says that an equal request with this key did so before.

    Raises BadRequest, pydantic's ValidationError, NotFound, NoCredit, TooMany, RateLimited, KeyReused and the
    errors of reading pictures.
    """
    jobs, replayed = await submit_all(gateway, caller, [wanted], key)
    return jobs[0], replayed


async def submit_all(
    gateway: Gateway,
    caller: Caller,
    several: Sequence[Submission],
    key: str | None = None,
    batch: Batch | None = None,
) -> tuple[list[Job], bool]:
    """Queue all jobs or none, as those of `batch` if it is given; see `submit`.

    With a key that was sent before, the list holds the first of those jobs alone.
    """
    requests = [_checked(wanted) for wanted in several]
    for wanted in several:
        await check_webhook(gateway, wanted.webhook, wanted.names.get("webhook", "webhook"))
    told = [_told(wanted, request) for wanted, request in zip(several, requests, strict=True)]
    fingerprint = fingerprint_of(["batch", batch.webhook, *told] if batch else told[0])
    if key is not None and (job := await earlier(gateway, caller, key, fingerprint)):
        return [job], True
    if key is None:  # before pictures are read; with a key it may be no new job
        async with gateway.database.writing(durable=False) as session:
            await gateway.limits.count_jobs(session, caller.account_id, len(several))
    files = await _keep_all(gateway, caller, several, [request["pictures"] for request in requests])
    jobs = [_new_job(caller, *one) for one in zip(several, requests, range(len(requests)), strict=True)]

    async def queue() -> None:
        async with gateway.database.writing() as session:
            await _add(session, jobs, batch)
            if key is not None:  # before all that may refuse: a request that was sent twice is not refused
                await add_key(session, gateway, jobs[0], key, fingerprint)
                await gateway.limits.count_jobs(session, caller.account_id, len(jobs))
            await _check_room(session, caller.account_id, gateway.settings.max_queued, len(jobs))
            await _pay(session, jobs)
            await add_rows(session, files)

    try:
        await despite_deadlocks(queue)  # with an erasure
    except BaseException as error:
        await discard(gateway, files)
        same_key = isinstance(error, IntegrityError) and key is not None  # sent twice at the same moment
        first = await earlier(gateway, caller, key or "", fingerprint) if same_key else None
        if first is None:
            raise
        return [first], True
    gateway.bells.ring(QUEUE)
    return jobs, False


async def _add(session: AsyncSession, jobs: Sequence[Job], batch: Batch | None) -> None:
    """Add the rows of the jobs, and of their batch."""
    if batch is not None:
        session.add(batch)
        for place, job in enumerate(jobs):
            job.batch_id, job.batch_place = batch.id, place
    await session.execute(_ADD_JOBS, [job.values() for job in jobs])


async def _pay(session: AsyncSession, jobs: Sequence[Job]) -> None:
    """Hold the price of each job, and write its first event. Raises NoCredit."""
    for job in jobs:
        await ledger.hold(session, job)
        await add_event(session, job.id, QUEUED, {})


async def check_webhook(gateway: Gateway, url: str | None, name: str = "webhook") -> None:
    """Raise BadRequest for an address that may not be called; `name` is the field that has it."""
    if url:
        await asyncio.to_thread(check_url, url, gateway.settings.webhook_hosts, name)


def pipeline_of(name: str) -> Pipeline:
    """Return the pipeline of this name; BadRequest if there is none."""
    if name not in PIPELINES:
        raise BadRequest(f"pipeline must be one of {', '.join(PIPELINES)}, got {name!r}")
    return PIPELINES[name]


def _checked(wanted: Submission) -> dict[str, Any]:
    """Return the request as the job keeps it, with empty lists of pictures."""
    pipeline = pipeline_of(wanted.pipeline)
    check_user(wanted.user)
    for name, pictures in wanted.pictures.items():
        most = pipeline.pictures.get(name)
        if most is None:
            raise BadRequest(f"pictures are {', '.join(pipeline.pictures) or 'none'}, got {name!r}")
        if len(pictures) > most:
            raise BadRequest(f"{name} must be at most {most} picture(s), got {len(pictures)}")
    named = {"person": wanted.person_id, "garment": wanted.garment_ids}
    for name in pipeline.needs:
        if not wanted.pictures.get(name) and not named.get(name):
            count = "one picture" if pipeline.pictures[name] == 1 else "at least one picture"
            raise BadRequest(f"{name} must be given: {count}")
    options = pipeline.options.model_validate(dict(wanted.options)).model_dump(exclude_none=True)
    return {
        "options": options,
        "pictures": {},
        "person_id": wanted.person_id,
        "garment_ids": list(wanted.garment_ids),
        **({"contract": dict(wanted.contract)} if wanted.contract else {}),
    }


def check_user(user: str) -> None:
    """Raise BadRequest for a name of a person that cannot be kept."""
    if len(user) > 200 or not user.isprintable():
        raise BadRequest(f"user must be at most 200 printable characters, got {user[:200]!r}")
    if user in (".", "..") or user.strip("/") != user:
        raise BadRequest(f'user must not be "." or "..", nor begin or end with "/", got {user!r}')


def _told(wanted: Submission, request: Mapping[str, Any]) -> list[Any]:
    """Return what makes two requests equal, as JSON."""
    pictures = {
        name: [one.id if isinstance(one, FileId) else hashlib.sha256(one).hexdigest() for one in several]
        for name, several in wanted.pictures.items()
    }
    return [wanted.pipeline, wanted.user, request, pictures, wanted.webhook]


async def _keep_all(
    gateway: Gateway, caller: Caller, several: Sequence[Submission], ids: Sequence[dict[str, list[str]]]
) -> list[File]:
    """Keep the sent pictures, equal ones once, and return their rows; fill `ids` with the ids of all."""
    sent: dict[bytes, tuple[str, str]] = {}  # content → user and name
    for wanted in several:
        for name, pictures in wanted.pictures.items():
            for at, one in enumerate(pictures):
                if isinstance(one, FileId):
                    await _check_file(gateway, caller, wanted.user, one.id)
                else:
                    called = wanted.names.get(name, name)
                    place = called if len(pictures) == 1 else f"{called}[{at}]"
                    sent.setdefault(one, (wanted.user, place))
    kept: dict[bytes, File] = {}

    async def keep_one(content: bytes, user: str, name: str) -> None:
        upload = await gateway.reader.read(content, name)
        kept[content] = await keep(gateway, caller.account_id, user, "upload", upload)

    try:
        done = await asyncio.gather(
            *(keep_one(one, *told) for one, told in sent.items()), return_exceptions=True
        )
        for error in filter(None, done):
            raise error
    except BaseException:
        await discard(gateway, kept.values())
        raise
    for wanted, own in zip(several, ids, strict=True):
        for name, pictures in wanted.pictures.items():
            own[name] = [one.id if isinstance(one, FileId) else kept[one].id for one in pictures]
    return list(kept.values())


async def _check_file(gateway: Gateway, caller: Caller, user: str, file_id: str) -> None:
    if not file_id.isprintable():  # no database takes half of a character, which a form's charset can make
        raise BadRequest(f"file_id must be the id of a file, got {file_id[:60]!r}")
    async with gateway.database.reading() as session:
        found = await session.get(File, file_id)
    if found is None or found.account_id != caller.account_id:
        raise NotFound(f"there is no file {file_id!r}")
    of_nobody = found.kind == "garment" and not found.user  # the account's own, for jobs of any user
    if found.user != user and not of_nobody:
        raise BadRequest(f"file {file_id} was uploaded for another user: erasure would not find it")


def _new_job(caller: Caller, wanted: Submission, request: dict[str, Any], place: int) -> Job:
    garments = max(len(wanted.pictures.get("garment", ())), len(wanted.garment_ids))
    now = time.time() + place * 1e-6  # jobs of a batch keep their order in the queue
    return Job(
        id=new_id("job"),
        account_id=caller.account_id,
        user=wanted.user,
        pipeline=wanted.pipeline,
        work=work_of(request, {name: len(several) for name, several in wanted.pictures.items()}),
        state=QUEUED,
        request=request,
        price=price_of(wanted.pipeline, garments).credits if wanted.price is None else wanted.price,
        created_at=now,
        run_after=0.0,  # at once, whatever a clock that is set back says
        tries=0,
        losses=0,
        cancel=False,
        progress={},
        hidden=False,
        seen=False,
        webhook=wanted.webhook,
        trace=TRACEPARENT.get(),
    )


async def _check_room(session: AsyncSession, account_id: str, most: int, added: int) -> None:
    """Raise TooMany if more jobs of the account wait than may; the `added` ones are among them."""
    waiting = await session.scalar(_WAITING, {"account": account_id}) or 0
    if waiting > most:
        raise TooMany(
            f"at most {most} jobs of an account may wait, {waiting - added} do and {added} more were sent"
        )
