"""Erases a person: pictures, garments, results, jobs, webhooks, and what the server keeps of them.

An audit row says that it was done and how much was erased; it holds an HMAC of the person's name, so that
"was this person erased?" can be answered without keeping the name. Rows of the ledger stay: they hold no
name and no picture. So do the rows of rewards, which hold no more than an HMAC of a picture.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from sqlalchemy import delete, select
from vitrine.errors import BadRequest, Unavailable

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.database.deadlocks import despite_deadlocks
from vitrine_gateway.database.tables import AuditRow, Batch, Delivery, File, Job
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.names import names_of
from vitrine_gateway.jobs.states import end_all
from vitrine_gateway.pictures.stores import person_folder

ERASED = "the person was erased"  # the reason of refunds


@dataclass(frozen=True)
class Erased:
    """How much of a person was erased."""

    jobs: int
    files: int  # pictures in the store, those without a row included


async def erase(gateway: Gateway, caller: Caller, user: str) -> Erased:
    """Erase the person that the account calls `user`. Raises BadRequest, and Unavailable if a part fails.

    It can be called again after an error. A job that runs loses its lease: its worker throws its result away.
    """
    if not user:
        raise BadRequest("user must name a person")
    jobs = await despite_deadlocks(lambda: _end_jobs(gateway, caller.account_id, user))
    for job in jobs:
        gateway.bells.ring_job(job.id, job.batch_id, ended=True)
    for name in await _names_at_the_server(gateway, caller.account_id, user):
        await gateway.vitrine.clear_cache(person_id=name)
    paths = set(await gateway.pictures.paths(person_folder(caller.account_id, user)))
    await _delete_pictures(gateway, paths)
    erased, late = await despite_deadlocks(lambda: _delete_rows(gateway, caller, user, paths))
    await _delete_pictures(gateway, late)
    await gateway.database.empty_log()
    return erased


async def _end_jobs(gateway: Gateway, account_id: str, user: str) -> list[Job]:
    """End the person's unfinished jobs at once, take their leases away and refund them."""
    async with gateway.database.writing() as session:
        return await end_all(session, account_id, user, ERASED)


async def _delete_pictures(gateway: Gateway, paths: set[str]) -> None:
    """Delete every picture that can be; raises Unavailable then if one could not."""
    failure = None
    for path in paths:
        try:
            await gateway.pictures.delete(path)
        except Unavailable as error:
            failure = error
    if failure is not None:
        raise failure


async def _delete_rows(
    gateway: Gateway, caller: Caller, user: str, paths: set[str]
) -> tuple[Erased, set[str]]:
    """Delete the person's rows and add that of the audit; `paths` are gone from the store.

    Return how much was erased, and the paths of pictures that came after the store was listed.
    """
    async with gateway.database.writing() as session:
        await end_all(session, caller.account_id, user, ERASED)  # those that were submitted meanwhile
        own = (Job.account_id == caller.account_id, Job.user == user)
        mine = select(Job.id).where(*own)
        await session.execute(delete(Delivery).where(Delivery.job_id.in_(mine)))
        batches = (Batch.account_id == caller.account_id, Batch.user == user)
        await session.execute(delete(Delivery).where(Delivery.job_id.in_(select(Batch.id).where(*batches))))
        await session.execute(delete(Batch).where(*batches))
        jobs = await session.execute(delete(Job).where(*own).returning(Job.id))
        files = (File.account_id == caller.account_id, File.user == user)
        kept = await session.scalars(delete(File).where(*files).returning(File.path))  # and rows of garments
        late = set(kept) - paths
        erased = Erased(len(jobs.all()), len(paths | late))
        session.add(
            AuditRow(
                account_id=caller.account_id,
                key_id=caller.key_id,
                action="erase_person",
                subject=subject_of(gateway, caller.account_id, user),
                counts=asdict(erased),
                at=time.time(),
            )
        )
    return erased, late


async def erased_since(gateway: Gateway, caller: Caller, user: str, seconds: float) -> bool:
    """Whether the account erased the person after this time, in seconds since 1970."""
    rows = select(AuditRow.id).where(
        AuditRow.account_id == caller.account_id,
        AuditRow.subject == subject_of(gateway, caller.account_id, user),
        AuditRow.at >= seconds,
    )
    async with gateway.database.reading() as session:
        return await session.scalar(rows.limit(1)) is not None


def subject_of(gateway: Gateway, account_id: str, user: str) -> str:
    """Return what stands for the person in audit rows."""
    return gateway.signer.sign("audit", account_id, user)


async def _names_at_the_server(gateway: Gateway, account_id: str, user: str) -> set[str]:
    """Return the names under which the person's jobs let the server find or remember their data."""
    async with gateway.database.reading() as session:
        found = select(Job.request).where(Job.account_id == account_id, Job.user == user)
        requests = list(await session.scalars(found))
    names = {(await names_of(gateway, account_id, user, request))[0] for request in requests}
    return {gateway.signer.person_id(account_id, user), *filter(None, names)}
