"""Takes a job: the job, its pictures' rows, its Idempotency-Key and the hold on credits commit together."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import BadRequest, NotFound

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.bells import QUEUE
from vitrine_gateway.credits import ledger
from vitrine_gateway.credits.prices import price_of
from vitrine_gateway.database.tables import File, IdempotencyKey, Job, new_id
from vitrine_gateway.errors import KeyReused, TooMany
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.pipelines import PIPELINES
from vitrine_gateway.jobs.states import QUEUED, add_event
from vitrine_gateway.jobs.work import work_of
from vitrine_gateway.pictures.keeping import discard, keep
from vitrine_gateway.webhooks.guard import check_url


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


async def submit(
    gateway: Gateway, caller: Caller, wanted: Submission, key: str | None = None
) -> tuple[Job, bool]:
    """Queue the job and return it; the flag says that an equal request with this key did so before.

    Raises BadRequest, pydantic's ValidationError, NotFound, NoCredit, TooMany, RateLimited, KeyReused and the
    errors of reading pictures.
    """
    request = _checked(wanted)
    if wanted.webhook:
        await asyncio.to_thread(check_url, wanted.webhook, gateway.settings.webhook_hosts)
    fingerprint = _fingerprint(wanted, request)
    if key is not None and (job := await _earlier(gateway, caller, key, fingerprint)):
        return job, True
    async with gateway.database.writing() as session:
        await gateway.limits.count_job(session, caller.account_id)
    files = await _keep_all(gateway, caller, wanted, request["pictures"])
    job = _new_job(caller, wanted, request)
    try:
        async with gateway.database.writing() as session:
            await _check_room(session, caller.account_id, gateway.settings.max_queued)
            session.add(job)
            await session.flush()
            session.add_all(files)
            if key is not None:
                await _add_key(session, job, key, fingerprint, gateway.settings.idempotency_hours)
            await ledger.hold(session, job)
            await add_event(session, job.id, QUEUED, {})
    except BaseException as error:
        await discard(gateway, files)
        same_key = isinstance(error, IntegrityError) and key is not None  # sent twice at the same moment
        earlier = await _earlier(gateway, caller, key or "", fingerprint) if same_key else None
        if earlier is None:
            raise
        return earlier, True
    gateway.bells.ring(QUEUE)
    return job, False


def _checked(wanted: Submission) -> dict[str, Any]:
    """Return the request as the job keeps it, with empty lists of pictures."""
    pipeline = PIPELINES.get(wanted.pipeline)
    if pipeline is None:
        raise BadRequest(f"pipeline must be one of {', '.join(PIPELINES)}, got {wanted.pipeline!r}")
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
    }


def check_user(user: str) -> None:
    """Raise BadRequest for a name of a person that cannot be kept."""
    if len(user) > 200 or not user.isprintable():
        raise BadRequest(f"user must be at most 200 printable characters, got {user[:200]!r}")


def _fingerprint(wanted: Submission, request: Mapping[str, Any]) -> str:
    pictures = {
        name: [one.id if isinstance(one, FileId) else hashlib.sha256(one).hexdigest() for one in several]
        for name, several in wanted.pictures.items()
    }
    whole = [wanted.pipeline, wanted.user, request, pictures, wanted.webhook]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


async def _earlier(gateway: Gateway, caller: Caller, key: str, fingerprint: str) -> Job | None:
    """Return the job of this key; raise KeyReused if it was sent with another request."""
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise BadRequest(f"Idempotency-Key must be 1 to 255 printable characters, got {len(key)}")
    async with gateway.database.reading() as session:
        found = await session.get(IdempotencyKey, (caller.account_id, key))
        if found is None or _expired(found, gateway.settings.idempotency_hours):
            return None
        if found.fingerprint != fingerprint:
            raise KeyReused("this Idempotency-Key was sent with another request; use a new key for each")
        return await session.get(Job, found.job_id)


def _expired(key: IdempotencyKey, hours: float) -> bool:
    return key.created_at < time.time() - hours * 3600


async def _keep_all(
    gateway: Gateway, caller: Caller, wanted: Submission, ids: dict[str, list[str]]
) -> list[File]:
    """Keep the sent pictures and return their rows; fill `ids` with the ids of all pictures."""
    kept: list[File] = []
    try:
        for name, pictures in wanted.pictures.items():
            ids[name] = []
            for place, one in enumerate(pictures):
                if isinstance(one, FileId):
                    await _check_file(gateway, caller, wanted.user, one.id)
                    ids[name].append(one.id)
                    continue
                label = name if len(pictures) == 1 else f"{name}[{place}]"
                upload = await gateway.reader.read(one, label)
                kept.append(await keep(gateway, caller.account_id, wanted.user, "upload", upload))
                ids[name].append(kept[-1].id)
    except BaseException:
        await discard(gateway, kept)
        raise
    return kept


async def _check_file(gateway: Gateway, caller: Caller, user: str, file_id: str) -> None:
    async with gateway.database.reading() as session:
        found = await session.get(File, file_id)
    if found is None or found.account_id != caller.account_id:
        raise NotFound(f"there is no file {file_id!r}")
    if found.user != user:
        raise BadRequest(f"file {file_id} was uploaded for another user: erasure would not find it")


def _new_job(caller: Caller, wanted: Submission, request: dict[str, Any]) -> Job:
    garments = max(len(wanted.pictures.get("garment", ())), len(wanted.garment_ids))
    now = time.time()
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
        run_after=now,
        tries=0,
        losses=0,
        cancel=False,
        progress={},
        hidden=False,
        seen=False,
        webhook=wanted.webhook,
    )


async def _check_room(session: AsyncSession, account_id: str, most: int) -> None:
    waiting = await session.scalar(
        select(func.count()).where(Job.account_id == account_id, Job.state == QUEUED)
    )
    if (waiting or 0) >= most:
        raise TooMany(f"at most {most} jobs of an account may wait, {waiting} do")


async def _add_key(session: AsyncSession, job: Job, key: str, fingerprint: str, hours: float) -> None:
    oldest = time.time() - hours * 3600
    await session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.account_id == job.account_id,
            IdempotencyKey.key == key,
            IdempotencyKey.created_at < oldest,
        )
    )
    session.add(
        IdempotencyKey(
            account_id=job.account_id,
            key=key,
            fingerprint=fingerprint,
            job_id=job.id,
            created_at=time.time(),
        )
    )
    await session.flush()
