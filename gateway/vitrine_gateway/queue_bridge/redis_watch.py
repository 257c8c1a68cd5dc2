"""Looks at the queue's Redis and writes into the log what is wrong with it.

BullMQ's worker says nothing of a Redis that is away or refuses the password: it waits.
"""

from __future__ import annotations

import asyncio

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from vitrine.errors import one_line

from vitrine_gateway.addresses import without_password

ANSWER_S = 5.0  # longest time of an answer
PAUSE_S = 15.0  # between two looks
POLICY = "noeviction"
"""Of a Redis that refuses to write when its memory is full. Under the others it drops queued jobs."""

log = structlog.get_logger("vitrine_gateway.queue")


class RedisWatch:
    """Looks at one Redis again and again; `answered` is set once it has answered."""

    def __init__(self, url: str, pause_s: float = PAUSE_S) -> None:
        self._place, self._pause_s = without_password(url), pause_s
        self._redis = Redis.from_url(url, retry=Retry(NoBackoff(), 0), decode_responses=True)
        self.answered = asyncio.Event()

    async def run(self) -> None:
        """Look until the task is cancelled: warn each time that Redis cannot be used, and say when it can."""
        away = False
        try:
            while True:
                trouble = await self._trouble()
                if trouble:
                    log.warning("the queue's Redis cannot be used", redis=self._place, reason=trouble)
                elif away:
                    log.info("the queue's Redis can be used again", redis=self._place)
                away = bool(trouble)
                if not away and not self.answered.is_set():
                    await self._check_policy()
                    self.answered.set()
                await asyncio.sleep(self._pause_s)
        finally:
            await self._redis.aclose()

    async def _trouble(self) -> str:
        """Return why Redis cannot be used, "" if it can."""
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._redis.ping()
        except TimeoutError:
            return f"no answer within {ANSWER_S:g} s"
        except (RedisError, OSError, ValueError) as error:  # ValueError: a host that is no name
            return one_line(error)
        return ""

    async def _check_policy(self) -> None:
        """Warn of a Redis that may drop the queue's jobs; one that does not tell its policy is let be."""
        try:
            async with asyncio.timeout(ANSWER_S):
                policy = (await self._redis.info("memory")).get("maxmemory_policy", POLICY)
        except (RedisError, OSError):
            return
        if policy != POLICY:
            advice = f"set maxmemory-policy {POLICY}: under {policy} Redis drops queued jobs when it is full"
            log.warning(advice, redis=self._place)
