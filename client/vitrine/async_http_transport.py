"""HTTP with binary tensors for asyncio: tritonclient's bodies on aiohttp.

A module of its own, because importing aiohttp takes as long as importing the rest of the client.
tritonclient's own connection follows redirections, and takes the caller's headers along to any host.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import aiohttp
import numpy as np

from vitrine.endpoint import Endpoint
from vitrine.errors import Cancelled
from vitrine.http_messages import (
    INDEX,
    STATISTICS,
    Received,
    Sent,
    infer_request,
    needs_grpc,
    read_status,
    read_tensors,
)
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus
from vitrine.wire import request_headers, timed_out, unreachable

_CONNECTIONS = 100  # at most at once; further requests wait for one


class AsyncHttpTransport:
    """An AsyncTransport over a connection pool, which the first call opens in its event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._opened: aiohttp.ClientSession | None = None

    async def infer(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> dict[str, np.ndarray]:
        """See AsyncTransport. A cancellation ends the wait, but Triton's HTTP server finishes the request."""
        sent = infer_request(model, inputs, version)
        return read_tensors(await self._received(sent, timeout_s), timeout_s)

    async def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> AsyncGenerator[dict[str, np.ndarray], None]:
        """Triton streams tensors over gRPC only."""
        raise needs_grpc()
        yield {}  # makes this function an async generator, as AsyncTransport declares it

    async def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See AsyncTransport."""
        index = await self._received(INDEX, timeout_s)
        return read_status(index, await self._received(STATISTICS, timeout_s), timeout_s)

    async def close(self) -> None:
        """See AsyncTransport."""
        if self._opened is not None:
            await self._opened.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_CONNECTIONS),
                timeout=aiohttp.ClientTimeout(),
                skip_auto_headers=["Accept-Encoding"],  # pictures are compressed already
            )
        return self._opened

    async def _received(self, sent: Sent, timeout_s: float) -> Received:
        """Send a request and return its response, all within `timeout_s`. No redirection is followed."""
        scheme = "https" if self._endpoint.tls else "http"
        session = self._session()
        try:
            async with (
                asyncio.timeout(timeout_s),
                session.request(
                    sent.method,
                    f"{scheme}://{self._endpoint.address}{sent.path}",
                    data=sent.body or None,
                    headers={**(request_headers(self._endpoint.headers) or {}), **sent.headers},
                    allow_redirects=False,
                ) as response,
            ):
                return Received(response.status, response.headers, await response.read())
        except TimeoutError as error:
            raise timed_out(timeout_s) from error
        except (aiohttp.ClientError, OSError) as error:
            if session.closed:
                raise Cancelled("the client was closed during the request") from error
            raise unreachable(self._endpoint.address, error) from error
