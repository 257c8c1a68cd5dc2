"""The outbox of webhooks. A row is written in the transaction that ends the job, so none is forgotten."""

from __future__ import annotations

import time

from sqlalchemy.ext.asyncio import AsyncSession

from vitrine_gateway.database.tables import Delivery, Job, new_id

WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"


def add_delivery(session: AsyncSession, job: Job) -> None:
    """Queue the message that a job has ended. It names the job; the receiver asks for the result."""
    now = time.time()
    session.add(
        Delivery(
            id=new_id("msg"),
            account_id=job.account_id,
            job_id=job.id,
            url=job.webhook,
            body={
                "type": f"job.{job.state}",
                "timestamp": now,
                "data": {"id": job.id, "pipeline": job.pipeline, "status": job.state, "error": job.error},
            },
            state=WAITING,
            tries=0,
            run_after=now,
            last_error="",
            created_at=now,
        )
    )
