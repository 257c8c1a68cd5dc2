"""Rate limits: a token bucket for each account and policy.

A bucket of N/S holds N tokens and refills at N in S seconds. Calls are counted by each process; jobs are
counted in the database, for all processes together. The headers are those of
draft-ietf-httpapi-ratelimit-headers (version 10): RateLimit-Policy tells the quota, RateLimit what is left.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from vitrine_gateway.database.tables import Account, RateBucket
from vitrine_gateway.errors import RateLimited
from vitrine_gateway.settings import Settings

MOST_ACCOUNTS = 10_000  # whose calls are counted at the same time; the longest silent one is forgotten


@dataclass(frozen=True)
class Rate:
    """A policy: `quota` in `window_s` seconds."""

    name: str
    quota: int
    window_s: int

    @staticmethod
    def read(name: str, text: str) -> Rate | None:
        """Return the policy of a setting such as 600/60; None for an empty one, which limits nothing."""
        if not text:
            return None
        quota, _, window_s = text.partition("/")
        return Rate(name, int(quota), int(window_s))

    def left(self, tokens: float, seconds: float) -> float:
        """Return what a bucket that had `tokens` holds `seconds` later."""
        return min(self.quota, tokens + max(seconds, 0.0) * self.quota / self.window_s)


@dataclass(frozen=True)
class Spent:
    """A policy and the tokens that its bucket holds."""

    rate: Rate
    tokens: float

    def policy(self) -> str:
        """Return the item of the header RateLimit-Policy."""
        return f'"{self.rate.name}";q={self.rate.quota};w={self.rate.window_s}'

    def state(self) -> str:
        """Return the item of the header RateLimit; t is when the bucket is full again."""
        missing = self.rate.quota - self.tokens
        full_s = math.ceil(missing * self.rate.window_s / self.rate.quota)
        return f'"{self.rate.name}";r={max(int(self.tokens), 0)};t={full_s}'


SPENT: ContextVar[dict[str, Spent] | None] = ContextVar("SPENT", default=None)
"""What the present request has spent, by policy; None outside of requests."""


def headers_of(spent: dict[str, Spent]) -> dict[str, str]:
    """Return the headers of a request that has spent this."""
    if not spent:
        return {}
    policies = ", ".join(one.policy() for one in spent.values())
    return {"RateLimit-Policy": policies, "RateLimit": ", ".join(one.state() for one in spent.values())}


class Limits:
    """The limits of one process."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._calls = Rate.read("calls", settings.rate_calls)
        self._jobs = Rate.read("jobs", settings.rate_jobs)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens and when, by account

    def count_call(self, account_id: str) -> None:
        """Count a call of the account. Raises RateLimited."""
        if (rate := self._calls) is None:
            return
        now = self._clock()
        tokens, at = self._buckets.get(account_id, (float(rate.quota), now))
        self._buckets[account_id] = (_spend(rate, rate.left(tokens, now - at)), now)
        self._buckets.move_to_end(account_id)
        if len(self._buckets) > MOST_ACCOUNTS:
            self._buckets.popitem(last=False)

    async def count_jobs(self, session: AsyncSession, account_id: str, jobs: int) -> None:
        """Count new jobs of the account. Raises RateLimited, after which the transaction must not be kept."""
        if self._jobs is None:
            return
        for _ in range(jobs):
            await self._count_job(session, account_id, self._jobs)

    async def _count_job(self, session: AsyncSession, account_id: str, rate: Rate) -> None:
        """Count a job. The account's row is locked first: of two processes each sees what the other took.

        The lock leaves room for rows that refer to the account (`key_share`): a job that waits for the holder
        of its Idempotency-Key has such a row already.
        """
        account = select(Account.id).where(Account.id == account_id)
        await session.scalar(account.with_for_update(key_share=True))
        bucket = await session.get(RateBucket, (account_id, rate.name))
        now = self._clock()
        if bucket is None:
            bucket = RateBucket(account_id=account_id, name=rate.name, tokens=float(rate.quota), at=now)
            session.add(bucket)
        bucket.tokens = _spend(rate, rate.left(bucket.tokens, now - bucket.at))
        bucket.at = now


def _spend(rate: Rate, tokens: float) -> float:
    """Return what is left after one token was taken, and note it for the answer's headers.

    Raises RateLimited if there is none to take.
    """
    left = tokens - 1 if tokens >= 1 else tokens
    if (spent := SPENT.get()) is not None:
        spent[rate.name] = Spent(rate, left)
    if tokens < 1:
        wait_s = math.ceil((1 - tokens) * rate.window_s / rate.quota)
        told = f"an account may have {rate.quota} {rate.name} in {rate.window_s} s; try again in {wait_s} s"
        raise RateLimited(told, wait_s)
    return left
