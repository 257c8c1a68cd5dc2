"""`/v1/people/{user}`: erasure of a person, and the audit rows about them.

`/v1/people?user=` does both for every name, also for those that a path cannot hold (`routers/names.py`, and
"." and "..", which clients take out of a path).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy import select

from vitrine_gateway.access import Known, Parts
from vitrine_gateway.database.tables import AuditRow
from vitrine_gateway.erasure import erase, subject_of
from vitrine_gateway.jobs.views import iso
from vitrine_gateway.routers.names import PERSON

router = APIRouter(prefix="/v1/people", tags=["people"])
Named = Annotated[str, Field(min_length=1)]


@router.delete("")
@router.delete(f"/{PERSON}")
async def erase_person(user: Named, gateway: Parts, caller: Known) -> dict[str, Any]:
    """Erase everything that is kept of a person; needs the scope `people`."""
    caller.needs("people")
    return {"user": user, "erased": asdict(await erase(gateway, caller, user))}


@router.get("")
@router.get(f"/{PERSON}/audit")
async def audit(user: Named, gateway: Parts, caller: Known) -> dict[str, Any]:
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
