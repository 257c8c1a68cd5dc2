"""`/v1/credits`: the balance, its movements, and the prices."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import select

from vitrine_gateway.access import Known, Parts
from vitrine_gateway.credits.prices import PRICES, REWARDS
from vitrine_gateway.database.tables import Account, LedgerRow
from vitrine_gateway.jobs.views import iso
from vitrine_gateway.pages import MOST

router = APIRouter(prefix="/v1/credits", tags=["credits"])


@router.get("")
async def balance(gateway: Parts, caller: Known) -> dict[str, Any]:
    """Return the account's credits and the prices. Held credits are already taken from the balance."""
    caller.needs("jobs")
    async with gateway.database.reading() as session:
        credits = await session.scalar(select(Account.credits).where(Account.id == caller.account_id))
    prices = {pipeline: [asdict(price) for price in rows] for pipeline, rows in PRICES.items()}
    return {"credits": credits, "prices": prices, "rewards": REWARDS}


@router.get("/ledger")
async def movements(
    gateway: Parts,
    caller: Known,
    cursor: Annotated[str, Query(pattern=r"^[0-9]{0,18}$")] = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
) -> dict[str, Any]:
    """List the account's movements of credits, the newest first."""
    caller.needs("jobs")
    wanted = [LedgerRow.account_id == caller.account_id]
    wanted += [LedgerRow.id < int(cursor)] if cursor else []
    async with gateway.database.reading() as session:
        newest = select(LedgerRow).where(*wanted).order_by(LedgerRow.id.desc()).limit(limit + 1)
        rows = list(await session.scalars(newest))
    data = [
        {
            "id": row.id,
            "job_id": row.job_id,
            "kind": row.kind,
            "amount": row.amount,
            "note": row.note,
            "at": iso(row.at),
        }
        for row in rows[:limit]
    ]
    return {"data": data, "next_cursor": str(rows[limit - 1].id) if len(rows) > limit else None}
