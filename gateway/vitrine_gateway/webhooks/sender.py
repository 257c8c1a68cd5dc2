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
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog
from sqlalchemy import or_, select, update
from vitrine.errors import NotFound, Unavailable, VitrineError, one_line

from vitrine_gateway.database.tables import Account, Delivery, Job
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.jobs.fashn_status import fashn_status
from vitrine_gateway.webhooks.guard import check_url, post
from vitrine_gateway.webhooks.outbox import DELIVERED, FAILED, WAITING

PAUSES_S: tuple[float, ...] = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 28_800)
"""After each try that failed: 24 hours in all."""
LOCK_S = 60.0  # a sender that dies leaves its delivery to others after this time
FAR_S = max(PAUSES_S) + LOCK_S
"""A time that is further ahead is of before the clock was set back."""
EVERY_S = 1.0
AT_ONCE = 8  # deliveries of one gateway process
AT_ONCE_OF_ACCOUNT = 2

log = structlog.get_logger("vitrine_gateway.webhooks")


def sign(secret: str, identity: str, timestamp: int, body: bytes) -> str:
    """Return the header webhook-signature: HMAC-SHA256 of "id.timestamp.body" under a whsec_ secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(signed).decode()}"


class Sender:
    """Delivers webhooks, several at once: a receiver that is slow delays those of its own account alone."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._under_way: dict[asyncio.Task[None], str] = {}  # deliveries and their accounts
        self._threads = ThreadPoolExecutor(AT_ONCE, "webhook")  # of their own: a slow receiver holds one long

    async def run(self) -> None:
        """Deliver until the task is cancelled; what is under way then is tried again after LOCK_S."""
        try:
            while True:
                try:
                    if len(self._under_way) < AT_ONCE and await self._start_one():
                        continue
                except Exception:
                    log.exception("the outbox cannot be read; it is tried again")
                await self._look_after()
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def _look_after(self) -> None:
        """Wait until a delivery ends, or for EVERY_S; then let go of those that have ended."""
        if not self._under_way:
            await asyncio.sleep(EVERY_S)
            return
        ended, _ = await asyncio.wait(self._under_way, timeout=EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            del self._under_way[task]
            if error := task.exception():
                log.error("a delivery's end cannot be written; it is tried again", exc_info=error)

    async def _start_one(self) -> bool:
        """Start the delivery that is due; return whether there was one."""
        now, counts = time.time(), Counter(self._under_way.values())
        busy = [account for account, count in counts.items() if count >= AT_ONCE_OF_ACCOUNT]
        due = (
            select(Delivery.id)
            .where(Delivery.state == WAITING, Delivery.account_id.not_in(busy))
            .where(or_(Delivery.run_after <= now, Delivery.run_after > now + FAR_S))
            .order_by(Delivery.created_at)
            .limit(1)
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
        async with self._gateway.database.writing(durable=False) as session:
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
        task = asyncio.create_task(self._deliver(delivery, secret))
        self._under_way[task] = delivery.account_id
        return True

    async def _deliver(self, delivery: Delivery, secret: str) -> None:
        await self._write(delivery, await self._send(delivery, secret))

    async def _send(self, delivery: Delivery, secret: str) -> str:
        """Send the message; return why it failed, empty if it arrived."""
        try:
            body = json.dumps(await self._message(delivery)).encode()
        except VitrineError as error:
            return one_line(error)
        now = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "vitrine-gateway",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secret, delivery.id, now, body),
        }
        try:
            hosts = self._gateway.settings.webhook_hosts
            loop = asyncio.get_running_loop()
            target = await loop.run_in_executor(self._threads, check_url, delivery.url, hosts)
            status = await loop.run_in_executor(self._threads, post, target, body, headers)
            if not 200 <= status < 300:
                raise Unavailable(f"the receiver answered {status}")
        except VitrineError as error:
            return one_line(error)
        return ""

    async def _message(self, delivery: Delivery) -> Mapping[str, Any]:
        """Return the message: as it was queued, or the state of the job in the form of its contract."""
        contract = delivery.body.get("contract")
        if contract is None:
            return delivery.body
        async with self._gateway.database.reading() as session:
            job = await session.get(Job, delivery.job_id)
        if job is None:
            raise NotFound("the job was erased")
        return await fashn_status(self._gateway, job, contract["base"])

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
