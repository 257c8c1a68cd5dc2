"""Fetches pictures by their addresses, for contracts whose clients send those.

The guard of webhooks decides where a call may go: https, public addresses only, and the connection goes to
the address that was checked. Each redirect is checked in the same way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from urllib.parse import urljoin

from vitrine.errors import BadRequest, Unavailable

from vitrine_gateway.errors import TooLarge
from vitrine_gateway.pictures.reading import from_base64
from vitrine_gateway.webhooks.guard import Oversized, check_url, get

AT_ONCE = 8
REDIRECTS = 3
WITHIN_S = 20.0  # for the whole picture, with its redirects


class PictureFetcher:
    """Fetches pictures, AT_ONCE at a time."""

    def __init__(self, max_bytes: int, allowed: bool, private: Collection[str] = ()) -> None:
        """`private` names hosts of the private network that may be asked, also by plain http."""
        self._max_bytes, self._allowed, self._private = max_bytes, allowed, private
        self._room = asyncio.Semaphore(AT_ONCE)

    async def picture(self, text: str, name: str) -> bytes:
        """Return the bytes of base64, of a data URI, or at an address.

        Raises BadRequest for an address that may not be asked or has no picture, TooLarge, and Unavailable
        where it does not answer in time; the message names the field `name`.
        """
        if not (self._allowed and text.startswith(("http://", "https://"))):
            return from_base64(text, name)
        async with self._room:
            return await asyncio.to_thread(self._fetched, text, name)

    def _fetched(self, url: str, name: str) -> bytes:
        until = time.monotonic() + WITHIN_S
        for _ in range(1 + REDIRECTS):
            target = check_url(url, self._private, name)
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise Unavailable(f"{name}: no whole answer within {WITHIN_S:g} s")
            try:
                answer = get(target, self._max_bytes, left_s)
            except Oversized as error:
                raise TooLarge(f"{name} must have at most {self._max_bytes:,} bytes: {error}") from error
            if answer.status in (301, 302, 303, 307, 308) and answer.location:
                url = _redirected(url, answer.location, name)
                continue
            if answer.status != 200:
                raise BadRequest(f"{name}: {target.host} answered {answer.status}")
            return answer.body
        raise BadRequest(f"{name}: {target.host} redirects more than {REDIRECTS} times")


def _redirected(url: str, location: str, name: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise BadRequest(f"{name}: the address is redirected to none: {error}") from error
