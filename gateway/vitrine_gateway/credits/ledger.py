"""The ledger: every movement of credits is a row, and the account's balance is their sum.

A job is paid in two steps: `hold` takes its price when it is submitted; then `capture` keeps it if the job
succeeds, or `refund` gives it back. A job has one of these two at most, by the guarded change of its state
that goes with it and by a unique key.
"""

from __future__ import annotations

import time

from sqlalchemy import bindparam, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import BadRequest

from vitrine_gateway.database.tables import Account, Job, LedgerRow, table_of
from vitrine_gateway.errors import NoCredit

MOST = 10**15
"""Credits of an account; sums of them are exact as 64-bit integers and as floats."""
# Statements of every job are built once: building one costs more than running it.
_accounts = table_of(Account)
_HOLD = (
    update(_accounts)
    .where(Account.id == bindparam("account"), Account.credits >= bindparam("price"))
    .values(credits=Account.credits - bindparam("price"))
    .returning(Account.credits)
)
_ADD = insert(table_of(LedgerRow))


async def hold(session: AsyncSession, job: Job) -> None:
    """Take the job's price from the account; raise NoCredit if it has less."""
    taken = await session.execute(_HOLD, {"account": job.account_id, "price": job.price})
    if taken.first() is None:
        left = await session.scalar(select(Account.credits).where(Account.id == job.account_id))
        raise NoCredit(f"the job costs {job.price} credits, the account has {left}")
    await _add(session, job.account_id, job.id, "hold", -job.price, "")


async def capture(session: AsyncSession, job: Job) -> None:
    """Keep what was held for a job that succeeded."""
    await _add(session, job.account_id, job.id, "capture", 0, "")


async def refund(session: AsyncSession, job: Job, reason: str) -> None:
    """Give back what was held for a job that did not succeed."""
    await _change(session, job.account_id, job.price)
    await _add(session, job.account_id, job.id, "refund", job.price, reason)


async def grant(
    session: AsyncSession, account_id: str, amount: int, note: str = "", kind: str = "grant"
) -> None:
    """Add credits to an account, or take some away with a negative amount.

    Raises BadRequest if the account had less than 0 or more than MOST then.
    """
    if abs(amount) > MOST:
        raise BadRequest(f"credits must be at most {MOST:,}, got {amount:,}")
    await _change(session, account_id, amount)
    left = await session.scalar(select(Account.credits).where(Account.id == account_id))
    if left is None or not 0 <= left <= MOST:
        raise BadRequest(f"an account must keep 0 to {MOST:,} credits, it would have {left}")
    await _add(session, account_id, None, kind, amount, note)


async def lock(session: AsyncSession, account_id: str) -> int:
    """Return the account's credits; nobody else changes them before the end of this transaction."""
    locked = await session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(credits=Account.credits)
        .returning(Account.credits)
    )
    return locked.scalar_one()


async def unbalanced(session: AsyncSession) -> list[str]:
    """Return what is wrong in the ledger; an empty list for a sound one. For tests and operators."""
    amounts = func.coalesce(func.sum(LedgerRow.amount), 0)
    sums = await session.execute(
        select(Account.name, Account.credits, amounts)
        .outerjoin(LedgerRow, LedgerRow.account_id == Account.id)
        .group_by(Account.id, Account.name, Account.credits)
        .having(Account.credits != amounts)
    )
    wrong = [f"account {name}: {has} credits, its rows sum to {rows}" for name, has, rows in sums]
    ends = func.sum(case((LedgerRow.kind.in_(("capture", "refund")), 1), else_=0))
    jobs = await session.execute(
        select(LedgerRow.job_id)
        .where(LedgerRow.job_id.is_not(None))
        .group_by(LedgerRow.job_id)
        .having(ends > 1)
    )
    return wrong + [f"job {job_id}: captured and refunded" for (job_id,) in jobs]


async def _change(session: AsyncSession, account_id: str, amount: int) -> None:
    await session.execute(
        update(Account).where(Account.id == account_id).values(credits=Account.credits + amount)
    )


async def _add(
    session: AsyncSession, account_id: str, job_id: str | None, kind: str, amount: int, note: str
) -> None:
    row = {"account_id": account_id, "job_id": job_id, "kind": kind, "amount": amount, "note": note[:200]}
    await session.execute(_ADD, {**row, "at": time.time()})
