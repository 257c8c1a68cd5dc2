"""Idempotency-Keys: a key stands for the first request that was sent with it."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from vitrine.errors import BadRequest

from vitrine_gateway.accounts.keys import Caller
from vitrine_gateway.database.tables import IdempotencyKey, Job
from vitrine_gateway.errors import KeyReused
from vitrine_gateway.gateway import Gateway


def fingerprint_of(whole: Any) -> str:
    """Return a digest of a request, which is JSON."""
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


async def earlier(gateway: Gateway, caller: Caller, key: str, fingerprint: str) -> Job | None:
    """Return the (first) job of this key; raise KeyReused if it was sent with another request."""
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise BadRequest(f"Idempotency-Key must be 1 to 255 printable characters, got {len(key)}")
    async with gateway.database.reading() as session:
        found = await session.get(IdempotencyKey, (caller.account_id, key))
        if found is None or found.created_at < _oldest(gateway):
            return None
        if found.fingerprint != fingerprint:
            raise KeyReused("this Idempotency-Key was sent with another request; use a new key for each")
        return await session.get(Job, found.job_id)


async def add_key(session: AsyncSession, gateway: Gateway, job: Job, key: str, fingerprint: str) -> None:
    """Let the key stand for the job from now on. Raises IntegrityError if it stands for another one."""
    await session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.account_id == job.account_id,
            IdempotencyKey.key == key,
            IdempotencyKey.created_at < _oldest(gateway),
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


def _oldest(gateway: Gateway) -> float:
    return time.time() - gateway.settings.idempotency_hours * 3600
