"""HTTP transport with binary tensors, with tritonclient.

The sync transport uses tritonclient's request and response bodies but Python's own connection, because
tritonclient's connection belongs to one thread and has one time limit for all its requests.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Generator
from contextlib import suppress

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferResult
from tritonclient.utils import InferenceServerException

from vitrine.cancellation import Cancellation
from vitrine.endpoint import Endpoint
from vitrine.errors import BadRequest, Cancelled, VitrineError
from vitrine.headers import present_headers
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus, read_models
from vitrine.wire import infer_inputs, read_error, timed_out, unreachable

_HEADER_LENGTH = "Inference-Header-Content-Length"  # header of Triton's binary tensor extension


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
        body, header_length = InferenceServerClient.generate_request_body(infer_inputs(inputs, InferInput))
        headers = {} if header_length is None else {_HEADER_LENGTH: str(header_length)}
        path = f"/v2/models/{model}/versions/{version}/infer" if version else f"/v2/models/{model}/infer"
        answer, length = self._request("POST", path, body, headers, timeout_s, cancellation)
        return read_tensors(InferenceServerClient.parse_response_body(answer, header_length=length))

    def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """Triton streams tensors over gRPC only."""
        raise needs_grpc()

    def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """See Transport."""
        index, _ = self._request("POST", "/v2/repository/index", b"", {}, timeout_s, None)
        statistics, _ = self._request("GET", "/v2/models/stats", b"", {}, timeout_s, None)
        return read_models(json.loads(index), json.loads(statistics)["model_stats"])

    def close(self) -> None:
        """See Transport."""

    def _request(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        timeout_s: float,
        cancellation: Cancellation | None,
    ) -> tuple[bytes, str | None]:
        """Return the body of the response and the length of its JSON header."""
        cancellation = cancellation or Cancellation()
        kind = http.client.HTTPSConnection if self._endpoint.tls else http.client.HTTPConnection
        connection = kind(self._endpoint.address, timeout=timeout_s)
        try:
            connection.connect()
            with cancellation.stops(lambda: _hang_up(connection)):
                sent = {**self._endpoint.headers, **present_headers(), **headers}
                answer = _exchange(connection, method, path, body, sent, timeout_s)
        except TimeoutError as error:
            raise timed_out(timeout_s) from error
        except (OSError, http.client.HTTPException) as error:
            if cancellation.cancelled:
                raise Cancelled("the request was cancelled") from error
            raise unreachable(self._endpoint.address, error) from error
        finally:
            connection.close()
        if cancellation.cancelled:
            raise Cancelled("the request was cancelled")
        return answer


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    timeout_s: float,
) -> tuple[bytes, str | None]:
    """Send a request and read its response within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    connection.request(method, path, body, headers)
    connection.sock.settimeout(max(deadline - time.monotonic(), 1e-3))
    response = connection.getresponse()
    content = response.read()
    if response.status != http.client.OK:
        raise read_error(_refusal(response.status, content), timeout_s)
    return content, response.getheader(_HEADER_LENGTH)


def _refusal(status: int, content: bytes) -> InferenceServerException:
    try:
        text = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):  # a page of a proxy, not Triton's JSON
        text = f"status {status}: {content[:200].decode(errors='replace')}"
    return InferenceServerException(str(text), str(status))


def read_tensors(result: InferResult) -> dict[str, np.ndarray]:
    """Return the outputs of a response."""
    return {one["name"]: result.as_numpy(one["name"]) for one in result.get_response().get("outputs", [])}


def _hang_up(connection: http.client.HTTPConnection) -> None:
    with suppress(OSError, AttributeError):  # the connection may have ended already
        connection.sock.shutdown(socket.SHUT_RDWR)


def needs_grpc() -> VitrineError:
    """Return the error for a stream over HTTP."""
    return BadRequest("streaming needs gRPC: connect to the server's gRPC port (8001 by default)")
