"""`/v1/people/{user}`: erasure of a person, and the audit rows about them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from sqlalchemy import select

from vitrine_gateway.access import Known, Parts
from vitrine_gateway.database.tables import AuditRow
from vitrine_gateway.erasure import erase, subject_of
from vitrine_gateway.jobs.views import iso

router = APIRouter(prefix="/v1/people", tags=["people"])


@router.delete("/{user}")
async def erase_person(user: str, gateway: Parts, caller: Known) -> dict[str, Any]:
    """Erase everything that is kept of a person; needs the scope `people`."""
    caller.needs("people")
    return {"user": user, "erased": asdict(await erase(gateway, caller, user))}


@router.get("/{user}/audit")
async def audit(user: str, gateway: Parts, caller: Known) -> dict[str, Any]:
    """List when the person was erased; needs the scope `people`."""
    caller.needs("people")
    subject = subject_of(gateway, caller.account_id, user)
    async with gateway.database.reading() as session:
        rows = await session.scalars(
            select(AuditRow)
            .where(AuditRow.account_id == caller.account_id, AuditRow.subject == subject)
            .order_by(AuditRow.id.desc())
            .limit(100)
        )
        data = [{"action": row.action, "counts": row.counts, "at": iso(row.at)} for row in rows]
    return {"data": data}
