"""gRPC for synchronous callers: tritonclient's calls, and streams that the caller's own thread reads."""

from __future__ import annotations

import threading
from collections.abc import Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput, InferResult
from tritonclient.utils import InferenceServerException

from vitrine.cancellation import Cancellation
from vitrine.channels import channel_options, grpc_proxy
from vitrine.endpoint import Endpoint
from vitrine.errors import Cancelled, from_wire
from vitrine.grpc_answers import (
    GRACE_S,
    is_last,
    read_rpc_error,
    read_status,
    read_tensors,
    stream_request,
)
from vitrine.grpc_streams import Streams
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus
from vitrine.wire import infer_inputs, read_error, request_headers, timed_out

_Answer = tuple[InferResult | None, InferenceServerException | None]


class GrpcTransport:
    """A Transport over one gRPC channel; each stream has a channel of its own."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint, self._via = endpoint, grpc_proxy(endpoint.address)
        self._options = channel_options(endpoint.address)
        self._client = InferenceServerClient(endpoint.address, ssl=endpoint.tls, channel_args=self._options)
        self._streams = Streams(endpoint, self._options)

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
            result, error = _waited_for(answer, call, timeout_s)
        if error is not None:
            raise read_error(error, timeout_s, self._via) from error
        if result is None:
            raise Cancelled("the request was cancelled")
        return read_tensors(result)

    def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """See Transport. The caller reads it, so a stream that was left open keeps no program from ending."""
        request, ended = stream_request(model, inputs, version), threading.Event()
        with self._streams.opened(request, timeout_s, ended) as call:
            try:
                for response in call:
                    said, result = response.error_message, InferResult(response.infer_response)
                    if said or is_last(result, None):
                        ended.set()
                    if said:
                        raise from_wire(None, said)
                    if outputs := read_tensors(result):
                        yield outputs
                    if ended.is_set():
                        return
            except grpc.RpcError as error:
                raise read_rpc_error(error, timeout_s, self._via) from error

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
        return read_status(index, statistics)

    def close(self) -> None:
        """See Transport. Open streams are cancelled."""
        self._streams.close()
        self._client.close()


def _waited_for(answer: Future[_Answer], call: Any, timeout_s: float) -> _Answer:
    """Return a call's answer; whatever ends the wait before, cancels the call."""
    try:
        return answer.result(timeout_s + GRACE_S)
    except FutureTimeout:
        call.cancel()
        raise timed_out(timeout_s) from None
    except BaseException:
        call.cancel()
        raise
