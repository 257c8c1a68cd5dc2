"""What both HTTP transports send and receive: paths, bodies, and responses as tensors or errors."""

from __future__ import annotations

import http
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from vitrine.errors import BadRequest, VitrineError
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus, read_models
from vitrine.wire import beginning, infer_inputs, read_error

_HEADER_LENGTH = "Inference-Header-Content-Length"  # header of Triton's binary tensor extension


@dataclass(frozen=True)
class Sent:
    """A request without the headers of the client."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Received:
    """A response."""

    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes


INDEX = Sent("POST", "/v2/repository/index")
STATISTICS = Sent("GET", "/v2/models/stats")


def infer_request(model: str, inputs: Tensors, version: str) -> Sent:
    """Return the request of one call of a model."""
    body, header_length = InferenceServerClient.generate_request_body(infer_inputs(inputs, InferInput))
    name = quote(model)
    path = f"/v2/models/{name}/versions/{version}/infer" if version else f"/v2/models/{name}/infer"
    headers = {} if header_length is None else {_HEADER_LENGTH: str(header_length)}
    return Sent("POST", path, body, headers)


def read_tensors(received: Received, timeout_s: float) -> dict[str, np.ndarray]:
    """Return the outputs of a response; raises the server's error, or that the answer is not Triton's."""
    _refuse(received, timeout_s)
    lengths = [value for name, value in received.headers.items() if name.lower() == _HEADER_LENGTH.lower()]
    try:
        result = InferenceServerClient.parse_response_body(
            received.body, header_length=int(lengths[0]) if lengths else None
        )
        outputs = result.get_response()["outputs"]
        return {one["name"]: result.as_numpy(one["name"]) for one in outputs}
    except Exception as error:  # whatever tritonclient and numpy raise for such bytes
        raise _not_triton(received.body, error) from error


def read_status(index: Received, statistics: Received, timeout_s: float) -> tuple[ModelStatus, ...]:
    """Return the status of every model in these two responses; raises as `read_tensors` does."""
    return read_models(_read_list(index, timeout_s), _read_list(statistics, timeout_s, inside="model_stats"))


def needs_grpc() -> VitrineError:
    """Return the error for a stream over HTTP."""
    return BadRequest("streaming needs gRPC: connect to the server's gRPC port (8001 by default)")


def _read_list(received: Received, timeout_s: float, inside: str = "") -> list[Mapping[str, Any]]:
    """Return the JSON list of a response; `inside` is the field that has it."""
    _refuse(received, timeout_s)
    try:
        value = json.loads(received.body)
        found = value[inside] if inside else value
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise TypeError("no list of objects")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise _not_triton(received.body, error) from error
    return found


def _refuse(received: Received, timeout_s: float) -> None:
    """Raise the error of a response that is one; a redirection is one too."""
    if received.status == http.HTTPStatus.OK:
        return
    try:
        text = json.loads(received.body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):  # a page of a proxy, not Triton's JSON
        text = f"status {received.status}: {received.body[:200].decode(errors='replace')}"
    raise read_error(InferenceServerException(str(text), str(received.status)), timeout_s)


def _not_triton(body: bytes, error: Exception) -> VitrineError:
    told = f"{type(error).__name__}: {error}"
    return VitrineError(
        f"the answer is not Triton's (is it the server's address?): {told[:200]}; it begins with"
        f" {beginning(body)}"
    )
