"""gRPC transports, with tritonclient."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferResult
from tritonclient.grpc.aio import InferenceServerClient as AsyncInferenceServerClient
from tritonclient.utils import InferenceServerException

from vitrine.cancellation import Cancellation
from vitrine.channels import channel_options, grpc_proxy
from vitrine.endpoint import Endpoint
from vitrine.errors import Cancelled
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus, read_models
from vitrine.wire import infer_inputs, read_error, request_headers, timed_out

GRACE_S = 2.0  # if gRPC has not ended a call this long after its deadline, the call is given up here

_Answer = tuple[InferResult | None, InferenceServerException | None]


class GrpcTransport:
    """A Transport over one gRPC channel; each stream has a channel of its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._via = endpoint, grpc_proxy(endpoint.address)
        self._client = self._open()

    def infer(
        self,
        model: str,
        inputs: Tensors,
        *,
        timeout_s: float,
        version: str = "",
        cancellation: Cancellation | None = None,
    ) -> dict[str, np.ndarray]:
        """See Transport. An exception in the caller, such as Ctrl-C, cancels the request on the server."""
        answer: Future[_Answer] = Future()
        call = self._client.async_infer(
            model,
            infer_inputs(inputs, InferInput),
            callback=lambda result, error: answer.set_result((result, error)),
            model_version=version,
            client_timeout=timeout_s,
            headers=request_headers(self._endpoint.headers),
        )
        with (cancellation or Cancellation()).stops(call.cancel):
            try:
                result, error = answer.result(timeout_s + GRACE_S)
            except FutureTimeout:
                call.cancel()
                raise timed_out(timeout_s) from None
            except BaseException:
                call.cancel()
                raise
        return _tensors(result, error, timeout_s, self._via)

    def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """See Transport."""
        answers: queue.Queue[_Answer] = queue.Queue()
        client, ended = self._open(), threading.Event()
        client.start_stream(
            callback=lambda result, error: answers.put((result, error)),
            stream_timeout=timeout_s,
            headers=request_headers(self._endpoint.headers),
        )
        try:
            client.async_stream_infer(
                model,
                infer_inputs(inputs, InferInput),
                model_version=version,
                enable_empty_final_response=True,
            )
            yield from _until_final(answers, timeout_s, self._via, ended)
        finally:
            client.stop_stream(cancel_requests=not ended.is_set())
            client.close()

    def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See Transport."""
        options = {
            "as_json": True,
            "client_timeout": timeout_s,
            "headers": request_headers(self._endpoint.headers),
        }
        try:
            index = self._client.get_model_repository_index(**options)
            statistics = self._client.get_inference_statistics(**options)
        except InferenceServerException as error:
            raise read_error(error, timeout_s, self._via) from error
        return read_models(index.get("models", []), statistics.get("model_stats", []))

    def close(self) -> None:
        """See Transport."""
        self._client.close()

    def _open(self) -> InferenceServerClient:
        return InferenceServerClient(
            self._endpoint.address,
            ssl=self._endpoint.tls,
            channel_args=channel_options(self._endpoint.address),
        )


class AsyncGrpcTransport:
    """An AsyncTransport over one gRPC channel, which the first call opens in its event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._via = endpoint, grpc_proxy(endpoint.address)
        self._opened: AsyncInferenceServerClient | None = None

    async def infer(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> dict[str, np.ndarray]:
        """See AsyncTransport."""
        try:
            result = await self._client().infer(
                model,
                infer_inputs(inputs, InferInput),
                model_version=version,
                client_timeout=timeout_s,
                headers=request_headers(self._endpoint.headers),
            )
        except InferenceServerException as error:
            raise read_error(error, timeout_s, self._via) from error
        return _tensors(result, None, timeout_s, self._via)

    async def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> AsyncGenerator[dict[str, np.ndarray], None]:
        """See AsyncTransport."""

        async def requests() -> AsyncIterator[dict[str, Any]]:
            yield {
                "model_name": model,
                "model_version": version,
                "inputs": infer_inputs(inputs, InferInput),
            }
            await ended.wait()

        ended = asyncio.Event()
        call = self._client().stream_infer(
            requests(), stream_timeout=timeout_s, headers=request_headers(self._endpoint.headers)
        )
        try:
            async for result, error in call:
                if _is_last(result, error):
                    ended.set()
                if outputs := _tensors(result, error, timeout_s, self._via):
                    yield outputs
        except grpc.RpcError as error:
            raise _read_rpc_error(error, timeout_s, self._via) from error
        finally:
            if ended.is_set():
                await _drain(call)
            call.cancel()
            ended.set()  # `requests` ends, also after a call that failed

    async def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See AsyncTransport."""
        options = {
            "as_json": True,
            "client_timeout": timeout_s,
            "headers": request_headers(self._endpoint.headers),
        }
        try:
            index = await self._client().get_model_repository_index(**options)
            statistics = await self._client().get_inference_statistics(**options)
        except InferenceServerException as error:
            raise read_error(error, timeout_s, self._via) from error
        return read_models(index.get("models", []), statistics.get("model_stats", []))

    async def close(self) -> None:
        """See AsyncTransport."""
        if self._opened is not None:
            await self._opened.close()

    def _client(self) -> AsyncInferenceServerClient:
        if self._opened is None:
            self._opened = AsyncInferenceServerClient(
                self._endpoint.address,
                ssl=self._endpoint.tls,
                channel_args=channel_options(self._endpoint.address),
            )
        return self._opened


def _until_final(
    answers: queue.Queue[_Answer], timeout_s: float, via: str | None, ended: threading.Event
) -> Generator[dict[str, np.ndarray], None, None]:
    """Yield the responses of a stream up to the last one; `ended` is set before that one is given out."""
    while not ended.is_set():
        try:
            result, error = answers.get(timeout=timeout_s + GRACE_S)
        except queue.Empty:
            raise timed_out(timeout_s) from None
        if _is_last(result, error):
            ended.set()
        if outputs := _tensors(result, error, timeout_s, via):
            yield outputs


async def _drain(call: Any) -> None:
    """Read a stream to its end after its last response, for at most GRACE_S."""
    with suppress(grpc.RpcError, TimeoutError):
        async with asyncio.timeout(GRACE_S):
            async for _ in call:
                pass


def _is_last(result: InferResult | None, error: InferenceServerException | None) -> bool:
    """Whether a response is the last one of its request: marked so by Triton, or an error of the model.

    Such a stream is closed, not cancelled. Triton 2.51 can keep a request for ever whose stream is cancelled
    while its last response is sent, and then never unloads the version of the model.
    """
    if result is None:
        return error is not None and error.status() is None
    return bool(result.get_response().parameters["triton_final_response"].bool_param)


def _tensors(
    result: InferResult | None, error: InferenceServerException | None, timeout_s: float, via: str | None
) -> dict[str, np.ndarray]:
    if error is not None:
        raise read_error(error, timeout_s, via) from error
    if result is None:
        raise Cancelled("the request was cancelled")
    return {one.name: result.as_numpy(one.name) for one in result.get_response().outputs}


def _read_rpc_error(error: grpc.RpcError, timeout_s: float, via: str | None) -> Exception:
    return read_error(InferenceServerException(error.details(), str(error.code())), timeout_s, via)
