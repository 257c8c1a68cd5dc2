"""What gRPC and HTTP share: tensors for tritonclient, and its errors as VitrineErrors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote

import numpy as np
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from vitrine.errors import BadRequest, Busy, TimedOut, Unavailable, VitrineError, from_wire
from vitrine.headers import present_headers
from vitrine.inputs import Tensors

# Statuses as tritonclient reports them → names of TritonError constants. Triton's own mapping:
# server/src/grpc/grpc_utils.cc and server/src/http_server.cc.
_GRPC_CODES = {
    "StatusCode.INVALID_ARGUMENT": "INVALID_ARG",
    "StatusCode.NOT_FOUND": "NOT_FOUND",
    "StatusCode.UNAVAILABLE": "UNAVAILABLE",
    "StatusCode.UNIMPLEMENTED": "UNSUPPORTED",
    "StatusCode.ALREADY_EXISTS": "ALREADY_EXISTS",
    "StatusCode.CANCELLED": "CANCELLED",
    "StatusCode.RESOURCE_EXHAUSTED": "INVALID_ARG",  # a message over the size limit
}
_HTTP_CODES = {
    "400": "INVALID_ARG",
    "404": "NOT_FOUND",
    "409": "ALREADY_EXISTS",
    "413": "INVALID_ARG",  # a body over the size limit
    "499": "CANCELLED",
    "501": "UNSUPPORTED",
    "502": "UNAVAILABLE",  # a proxy whose server does not answer
    "503": "UNAVAILABLE",
}
_UNREACHABLE = re.compile(  # gRPC's messages for a connection that it could not open
    r"failed to connect to all addresses.*ipv[46]:(?P<address>\S+): (?P<reason>.*)", re.DOTALL
)
_TOO_MANY = "429"  # a proxy's limit of requests
_DEADLINES = ("StatusCode.DEADLINE_EXCEEDED", "504")


class InferInput(Protocol):
    """tritonclient's InferInput; gRPC and HTTP have one each."""

    def set_data_from_numpy(self, input_tensor: np.ndarray) -> Any:
        """Set the values."""
        ...


Input = TypeVar("Input", bound=InferInput)


def infer_inputs(inputs: Tensors, kind: Callable[[str, list[int], str], Input]) -> list[Input]:
    """Return the tensors as `kind`, tritonclient's InferInput of one protocol."""
    written = []
    for name, datatype in datatypes(inputs).items():
        tensor = inputs[name]
        one = kind(name, list(tensor.shape), datatype)
        one.set_data_from_numpy(tensor)
        written.append(one)
    return written


def datatypes(inputs: Tensors) -> dict[str, str]:
    """Return Triton's name of each tensor's type; BadRequest for what is no tensor that can be sent."""
    if not isinstance(inputs, Mapping):
        raise BadRequest(f"inputs must be arrays by name, got {type(inputs).__name__}")
    found: dict[str, str] = {}
    for name, tensor in inputs.items():
        kind = np_to_triton_dtype(tensor.dtype) if isinstance(tensor, np.ndarray) else None
        if kind is None:
            got = tensor.dtype if isinstance(tensor, np.ndarray) else type(tensor).__name__
            raise BadRequest(f"{name} must be an array of numbers, bool or bytes (dtype object), got {got}")
        found[name] = kind
    return found


def read_error(error: InferenceServerException, timeout_s: float, via: str | None = None) -> VitrineError:
    """Return the error of the server or of the connection; `via` is a phrase for a proxy."""
    status, text = str(error.status() or ""), str(error.message() or "no message")
    if status in _DEADLINES:
        return timed_out(timeout_s, via)
    if found := _UNREACHABLE.search(text):
        return unreachable(unquote(found["address"]), found["reason"], via)
    if status == _TOO_MANY:
        return Busy(text)
    read = from_wire(_GRPC_CODES.get(status) or _HTTP_CODES.get(status), text)
    if via and type(read) is Unavailable and not text.startswith(f"{Unavailable.word}: "):
        return Unavailable(f"{read}{_by_way_of(via)}")
    return read


def timed_out(timeout_s: float, via: str | None = None) -> TimedOut:
    """Return the error for a response that did not come in time."""
    return TimedOut(f"no answer within {timeout_s:g} s{_by_way_of(via)}")


def unreachable(address: str, reason: object, via: str | None = None) -> Unavailable:
    """Return the error for a connection that could not be opened or broke."""
    said = reason or type(reason).__name__
    return Unavailable(f"no server answers at {address} (is it started?): {said}{_by_way_of(via)}")


def _by_way_of(via: str | None) -> str:
    return (
        f"; the call went through {via}: put the server's host into no_proxy to call it directly"
        if via
        else ""
    )


def request_headers(headers: Mapping[str, str]) -> dict[str, str] | None:
    """Return the client's headers and those of the present context, for one request; None for no headers.

    They are a copy, because tritonclient writes into it.
    """
    return {**headers, **present_headers()} or None


def beginning(content: bytes) -> str:
    """Return the first bytes of an answer that cannot be read, for its error."""
    return repr(content[:100])
