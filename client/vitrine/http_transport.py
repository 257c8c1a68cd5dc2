"""HTTP with binary tensors for synchronous callers: tritonclient's bodies on Python's own connection.

tritonclient's connection belongs to one thread and has one time limit for all its requests.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress

import numpy as np

from vitrine.cancellation import Cancellation
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
from vitrine.sockets import open_socket
from vitrine.statuses import ModelStatus
from vitrine.wire import request_headers, timed_out, unreachable


class HttpTransport:
    """A Transport with one connection per request: cheap compared with a try-on, and thread-safe."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def infer(
        self,
        model: str,
        inputs: Tensors,
        *,
        timeout_s: float,
        version: str = "",
        cancellation: Cancellation | None = None,
    ) -> dict[str, np.ndarray]:
        """See Transport. A cancellation ends the wait here, but Triton's HTTP server finishes the request."""
        received = self._received(infer_request(model, inputs, version), timeout_s, cancellation)
        return read_tensors(received, timeout_s)

    def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """Triton streams tensors over gRPC only."""
        raise needs_grpc()

    def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See Transport."""
        index = self._received(INDEX, timeout_s, None)
        return read_status(index, self._received(STATISTICS, timeout_s, None), timeout_s)

    def close(self) -> None:
        """See Transport."""

    def _received(self, sent: Sent, timeout_s: float, cancellation: Cancellation | None) -> Received:
        """Send a request and return its response, all within `timeout_s`."""
        cancellation, late = cancellation or Cancellation(), threading.Event()
        deadline = time.monotonic() + timeout_s
        connection = http.client.HTTPConnection(self._endpoint.address)
        headers = {**(request_headers(self._endpoint.headers) or {}), **sent.headers}
        try:
            connection.sock = open_socket(self._endpoint, deadline, cancellation)
            with _hung_up_at(deadline, connection, late), cancellation.stops(lambda: _hang_up(connection)):
                received = _exchange(connection, sent, headers)
        except (OSError, http.client.HTTPException) as error:
            if cancellation.cancelled:
                raise Cancelled("the request was cancelled") from error
            if late.is_set() or isinstance(error, TimeoutError):
                raise timed_out(timeout_s) from error
            raise unreachable(self._endpoint.address, error) from error
        finally:
            connection.close()
        if cancellation.cancelled:
            raise Cancelled("the request was cancelled")
        if late.is_set():
            raise timed_out(timeout_s)
        return received


def _exchange(connection: http.client.HTTPConnection, sent: Sent, headers: Mapping[str, str]) -> Received:
    connection.request(sent.method, sent.path, sent.body, headers)
    response = connection.getresponse()
    return Received(response.status, dict(response.headers), response.read())


@contextmanager
def _hung_up_at(
    deadline: float, connection: http.client.HTTPConnection, late: threading.Event
) -> Iterator[None]:
    """At the deadline set `late` and end the block's reading: a socket's own limit is for each packet."""

    def hang_up() -> None:
        late.set()
        _hang_up(connection)

    timer = threading.Timer(max(deadline - time.monotonic(), 0), hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _hang_up(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):  # the connection may have ended already
        connection.sock.shutdown(socket.SHUT_RDWR)
