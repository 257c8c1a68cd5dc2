"""What routes ask for: the gateway's parts, and who calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import structlog
from fastapi import Depends, Request
from sqlalchemy import select
from starlette.requests import HTTPConnection
from vitrine.errors import Unavailable

from vitrine_gateway.accounts.keys import SCOPES, Caller, find_caller, note_use
from vitrine_gateway.database.tables import Account
from vitrine_gateway.errors import BadSettings, Unauthorized
from vitrine_gateway.gateway import Gateway
from vitrine_gateway.settings import Settings

log = structlog.get_logger("vitrine_gateway.access")
KEY_LOOK_S = 2.0  # between two looks at the key of one stream


async def parts(request: Request) -> Gateway:
    """Return the open parts of this process. A coroutine: FastAPI calls a plain function in a thread."""
    return gateway_of(request)


def gateway_of(request: Request) -> Gateway:
    """Return the open parts of this process."""
    gateway: Gateway = request.app.state.gateway
    return gateway


async def caller(request: Request) -> Caller:
    """Return who calls, by `Authorization: Bearer vt_live_…` or `X-API-Key`. Raises Unauthorized."""
    return await identify(gateway_of(request), key_of(request))


async def identify(gateway: Gateway, text: str | None) -> Caller:
    """Return who holds the key `text`, and count the call. Raises Unauthorized and RateLimited."""
    if text is None:
        raise Unauthorized("send an API key: Authorization: Bearer vt_live_…")
    found, write_use = await find_caller(gateway.keys.get, text)
    gateway.limits.count_call(found.account_id)
    if write_use:
        async with gateway.database.writing(durable=False) as session:
            await note_use(session, found.key_id)
    structlog.contextvars.bind_contextvars(account_id=found.account_id)
    return found


class LastingKey:
    """The key of a call that goes on for long, such as a stream: it may be revoked meanwhile."""

    def __init__(self, gateway: Gateway, caller: Caller, clock: Callable[[], float] = time.monotonic) -> None:
        self._gateway, self._key_id, self._clock = gateway, caller.key_id, clock
        self._looked_s = clock()

    async def holds(self) -> bool:
        """Whether the key was valid at the last look, which is at most KEY_LOOK_S old."""
        if self._clock() - self._looked_s < KEY_LOOK_S:
            return True
        self._looked_s = self._clock()
        found = await self._gateway.keys.get(self._key_id)
        return found is not None and found.is_valid()


async def old_caller(request: Request) -> Caller:
    """Return who calls an old service's route; without a key the account of the setting `old_account`.

    Raises Forbidden for a key without the scope `jobs`, since those routes know no other, and Unavailable
    while there is no such account.
    """
    gateway = gateway_of(request)
    if key_of(request) is not None or not gateway.settings.old_account:
        found = await caller(request)
        found.needs("jobs")
        return found
    try:
        found = await _old_account(gateway)
    except BadSettings as error:  # the account may still be made
        raise Unavailable(str(error)) from error
    gateway.limits.count_call(found.account_id)
    return found


async def account_of_settings(gateway: Gateway) -> Caller:
    """Return who pays for jobs that come by a queue: the holder of the setting `key`, else `old_account`.

    Raises Unauthorized, and BadSettings if neither is set.
    """
    if gateway.settings.key:
        found = await identify(gateway, gateway.settings.key)
        found.needs("jobs")
        return found
    if not gateway.settings.old_account:
        raise BadSettings("set GATEWAY_KEY or GATEWAY_OLD_ACCOUNT: somebody must pay for the queue's jobs")
    return await _old_account(gateway)


async def warn_of_old_account(gateway: Gateway) -> None:
    """Write a warning if the setting `old_account` names no account."""
    try:
        if gateway.settings.old_account:
            await _old_account(gateway)
    except BadSettings as error:
        log.warning("calls without a key to the old services' routes are refused", error=str(error))


async def _old_account(gateway: Gateway) -> Caller:
    name = gateway.settings.old_account
    async with gateway.database.reading() as session:
        found = await session.scalar(select(Account.id).where(Account.name == name))
    if found is None:
        raise BadSettings(f"GATEWAY_OLD_ACCOUNT must name an account, there is none of the name {name!r}")
    return Caller(found, "", tuple(SCOPES))


def base_of(request: HTTPConnection) -> str:
    """Return the address of the gateway as its callers see it: `public_url`, else the one of this request."""
    settings: Settings = request.app.state.gateway.settings
    return settings.public_url or str(request.base_url).rstrip("/")


def key_of(request: HTTPConnection) -> str | None:
    """Return the key that the request carries, or None."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and text:
        return text.strip()
    return request.headers.get("x-api-key")


Parts = Annotated[Gateway, Depends(parts)]
Known = Annotated[Caller, Depends(caller)]
OldKnown = Annotated[Caller, Depends(old_caller)]
