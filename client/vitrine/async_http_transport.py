"""HTTP with binary tensors for asyncio, by tritonclient on aiohttp.

A module of its own, because importing aiohttp takes as long as importing the rest of the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp
import numpy as np
from tritonclient.http import InferInput
from tritonclient.http.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from vitrine.endpoint import Endpoint
from vitrine.http_transport import needs_grpc, read_tensors
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus, read_models
from vitrine.wire import infer_inputs, read_error, request_headers, timed_out, unreachable


class AsyncHttpTransport:
    """An AsyncTransport over a connection pool, which the first call opens in its event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._opened: InferenceServerClient | None = None

    async def infer(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> dict[str, np.ndarray]:
        """See AsyncTransport. A cancellation ends the wait, but Triton's HTTP server finishes the request."""
        call = self._client().infer(
            model,
            infer_inputs(inputs, InferInput),
            model_version=version,
            headers=request_headers(self._endpoint.headers),
        )
        return read_tensors(await self._within(timeout_s, call))

    async def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> AsyncGenerator[dict[str, np.ndarray], None]:
        """Triton streams tensors over gRPC only."""
        raise needs_grpc()
        yield {}  # makes this function an async generator, as AsyncTransport declares it

    async def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See AsyncTransport."""
        headers = request_headers(self._endpoint.headers)
        index = await self._within(timeout_s, self._client().get_model_repository_index(headers=headers))
        call = self._client().get_inference_statistics(headers=headers)
        return read_models(index, (await self._within(timeout_s, call))["model_stats"])

    async def close(self) -> None:
        """See AsyncTransport."""
        if self._opened is not None:
            await self._opened.close()

    def _client(self) -> InferenceServerClient:
        if self._opened is None:
            self._opened = InferenceServerClient(
                self._endpoint.address, conn_timeout=None, ssl=self._endpoint.tls, ssl_context=True
            )
        return self._opened

    async def _within(self, timeout_s: float, call: Any) -> Any:
        """Await a call of tritonclient for at most `timeout_s`; raises its errors as VitrineErrors."""
        try:
            async with asyncio.timeout(timeout_s):
                return await call
        except TimeoutError as error:
            raise timed_out(timeout_s) from error
        except InferenceServerException as error:
            raise read_error(error, timeout_s) from error
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(self._endpoint.address, error) from error
