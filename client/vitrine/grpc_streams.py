"""Opens and closes the streams of the synchronous gRPC transport.

The caller's own thread reads a stream. tritonclient's streams have a thread that a program must wait for.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from vitrine.endpoint import Endpoint
from vitrine.grpc_answers import GRACE_S
from vitrine.wire import request_headers


class Streams:
    """The open streams of one transport, each with a channel of its own. Thread-safe.

    They are closed with the transport, or at the latest when the program ends.
    """

    def __init__(self, endpoint: Endpoint, options: Sequence[tuple[str, int]]) -> None:
        self._endpoint, self._options = endpoint, options
        self._open: set[grpc.Channel] = set()
        _ALL.add(self)

    @contextmanager
    def opened(
        self, request: service_pb2.ModelInferRequest, timeout_s: float, ended: threading.Event
    ) -> Iterator[Any]:
        """Open a stream for one request; afterwards close it if `ended` is set, and cancel it otherwise."""
        headers = request_headers(self._endpoint.headers) or {}
        channel = self._channel()
        self._open.add(channel)
        open_stream = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelStreamInfer
        call = open_stream(_until(ended, request), timeout=timeout_s, metadata=tuple(headers.items()))
        try:
            yield call
        finally:
            if ended.is_set() and call.is_active():
                _drain(call)
            ended.set()  # the thread that sends the request ends, also after a call that failed
            if channel in self._open:
                self._open.discard(channel)
                channel.close()

    def close(self) -> None:
        """Cancel the open streams; who reads one gets Cancelled."""
        while self._open:
            self._open.pop().close()

    def _channel(self) -> grpc.Channel:
        if not self._endpoint.tls:
            return grpc.insecure_channel(self._endpoint.address, self._options)
        return grpc.secure_channel(self._endpoint.address, grpc.ssl_channel_credentials(), self._options)


_ALL: WeakSet[Streams] = WeakSet()


@atexit.register
def _close_all() -> None:
    """Close all streams while gRPC's threads still run: later, the interpreter would wait for ever."""
    for streams in list(_ALL):
        streams.close()


def _until(
    ended: threading.Event, request: service_pb2.ModelInferRequest
) -> Iterator[service_pb2.ModelInferRequest]:
    """Yield the request, and keep its stream open until `ended` is set."""
    yield request
    ended.wait()


def _drain(call: Any) -> None:
    """Read a stream to its end after its last response, for at most GRACE_S."""
    give_up = threading.Timer(GRACE_S, call.cancel)
    give_up.daemon = True
    give_up.start()
    with suppress(grpc.RpcError):
        for _ in call:
            pass
    give_up.cancel()
