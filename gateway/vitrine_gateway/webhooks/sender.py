"""Delivers the webhooks of the outbox, signed as Standard Webhooks 1.0 says.

A delivery that fails is tried again for about a day. Its id stays the same, so that a receiver can tell a
repetition. The address is resolved and checked again on every try.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time

import structlog
from sqlalchemy import select, update
from vitrine.errors import Unavailable, VitrineError, one_line

from vitrine_gateway.database.tables import Account, Delivery
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.webhooks.guard import check_url, post
from vitrine_gateway.webhooks.outbox import DELIVERED, FAILED, WAITING

PAUSES_S: tuple[float, ...] = (
    5,
    30,
    120,
    600,
    1800,
    3600,
    7200,
    14400,
    28800,
    28800,
)  # after each failed try: 24 hours in all
LOCK_S = 60.0  # a sender that dies leaves its delivery to others after this time
EVERY_S = 1.0

log = structlog.get_logger("vitrine_gateway.webhooks")


def sign(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    """Return the header webhook-signature: HMAC-SHA256 of "id.timestamp.body" under a whsec_ secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


class Sender:
    """Delivers one webhook after another."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def run(self) -> None:
        """Deliver until the task is cancelled."""
        while True:
            try:
                if await self.deliver_one():
                    continue
            except Exception:
                log.exception("the outbox cannot be read; it is tried again")
            await asyncio.sleep(EVERY_S)

    async def deliver_one(self) -> bool:
        """Try the delivery that is due; return whether there was one."""
        now = time.time()
        due = (
            select(Delivery.id)
            .where(Delivery.state == WAITING, Delivery.run_after <= now)
            .order_by(Delivery.run_after)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        async with self._gateway.database.writing() as session:
            taken = update(Delivery).where(Delivery.id == due, Delivery.state == WAITING)
            found = await session.scalars(
                taken.values(run_after=now + LOCK_S, tries=Delivery.tries + 1)
                .returning(Delivery)
                .execution_options(synchronize_session=False)
            )
            delivery = found.one_or_none()
            if delivery is None:
                return False
            secret = (
                await session.scalars(select(Account.webhook_secret).where(Account.id == delivery.account_id))
            ).one()
        await self._write(delivery, await self._send(delivery, secret))
        return True

    async def _send(self, delivery: Delivery, secret: str) -> str:
        """Send the message; return why it failed, empty if it arrived."""
        body, now = json.dumps(delivery.body).encode(), int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "vitrine-gateway",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secret, delivery.id, now, body),
        }
        try:
            hosts = self._gateway.settings.webhook_hosts
            target = await asyncio.to_thread(check_url, delivery.url, hosts)
            status = await asyncio.to_thread(post, target, body, headers)
            if not 200 <= status < 300:
                raise Unavailable(f"the receiver answered {status}")
        except VitrineError as error:
            return one_line(error)
        return ""

    async def _write(self, delivery: Delivery, trouble: str) -> None:
        last = delivery.tries > len(PAUSES_S)
        state = DELIVERED if not trouble else FAILED if last else WAITING
        pause = PAUSES_S[delivery.tries - 1] if state == WAITING else 0
        async with self._gateway.database.writing() as session:
            await session.execute(
                update(Delivery)
                .where(Delivery.id == delivery.id)
                .values(state=state, last_error=trouble[:300], run_after=time.time() + pause)
            )
        log.info("webhook", state=state, tries=delivery.tries, job_id=delivery.job_id, error=trouble or None)
