"""The outbox of webhooks. A row is written in the transaction that ends the job, so none is forgotten."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from vitrine_gateway.database.tables import Delivery, new_id

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"


def add_delivery(
    session: AsyncSession,
    account_id: str,
    url: str,
    kind: str,
    data: Mapping[str, Any],
    contract: Mapping[str, Any] | None = None,
) -> None:
    """Queue a message that the job or batch `data["id"]` has ended; the receiver asks for the result.

    With the `contract` of a job's request the message has that contract's form when it is sent.
    """
    now = time.time()
    session.add(
        Delivery(
            id=new_id("msg"),
            account_id=account_id,
            job_id=data["id"],
            url=url,
            body={"type": kind, "timestamp": now, "data": dict(data)}
            | ({"contract": dict(contract)} if contract else {}),
            state=WAITING,
            tries=0,
            run_after=0.0,  # at once, whatever a clock that is set back says
            last_error="",
            created_at=now,
        )
    )
