"""gRPC for asyncio, with tritonclient."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from vitrine.channels import channel_options, grpc_proxy
from vitrine.endpoint import Endpoint
from vitrine.errors import Cancelled
from vitrine.grpc_answers import GRACE_S, is_last, read_rpc_error, read_status, read_tensors
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus
from vitrine.wire import infer_inputs, read_error, request_headers


class AsyncGrpcTransport:
    """An AsyncTransport over one gRPC channel, which the first call opens in its event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._via = endpoint, grpc_proxy(endpoint.address)
        self._opened: InferenceServerClient | None = None

    async def infer(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> dict[str, np.ndarray]:
        """See AsyncTransport."""
        with self._errors(timeout_s):
            result = await self._client().infer(
                model,
                infer_inputs(inputs, InferInput),
                model_version=version,
                client_timeout=timeout_s,
                headers=request_headers(self._endpoint.headers),
            )
        return read_tensors(result)

    async def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> AsyncGenerator[dict[str, np.ndarray], None]:
        """See AsyncTransport."""
        ended, sent = asyncio.Event(), {"model_name": model, "model_version": version}
        call = self._client().stream_infer(
            _until(ended, {**sent, "inputs": infer_inputs(inputs, InferInput)}),
            stream_timeout=timeout_s,
            headers=request_headers(self._endpoint.headers),
        )
        try:
            while not ended.is_set():
                with self._errors(timeout_s):
                    try:
                        result, error = await anext(call)
                    except StopAsyncIteration:  # closed by the server
                        return
                    if is_last(result, error):
                        ended.set()
                    if error is not None:
                        raise error
                if outputs := read_tensors(result):
                    yield outputs
        finally:
            if ended.is_set():
                await _drain(call)
            call.cancel()
            ended.set()  # `_until` ends, also after a call that failed

    async def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See AsyncTransport."""
        options = {
            "as_json": True,
            "client_timeout": timeout_s,
            "headers": request_headers(self._endpoint.headers),
        }
        with self._errors(timeout_s):
            index = await self._client().get_model_repository_index(**options)
            statistics = await self._client().get_inference_statistics(**options)
        return read_status(index, statistics)

    async def close(self) -> None:
        """See AsyncTransport."""
        if self._opened is not None:
            await self._opened.close()

    def _client(self) -> InferenceServerClient:
        if self._opened is None:
            self._opened = InferenceServerClient(
                self._endpoint.address,
                ssl=self._endpoint.tls,
                channel_args=channel_options(self._endpoint.address),
            )
        return self._opened

    @contextmanager
    def _errors(self, timeout_s: float) -> Iterator[None]:
        """Raise the errors of the block's call as VitrineErrors.

        gRPC reports a channel that was closed under a call as if the caller's task had been cancelled.
        """
        try:
            yield
        except InferenceServerException as error:
            raise read_error(error, timeout_s, self._via) from error
        except grpc.RpcError as error:
            raise read_rpc_error(error, timeout_s, self._via) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise Cancelled("the client was closed during the request") from error


async def _until(ended: asyncio.Event, request: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Yield the request, and keep its stream open until `ended` is set."""
    yield request
    await ended.wait()


async def _drain(call: Any) -> None:
    """Read a stream to its end after its last response, for at most GRACE_S."""
    with suppress(grpc.RpcError, TimeoutError):
        async with asyncio.timeout(GRACE_S):
            async for _ in call:
                pass
