"""What both gRPC transports do with messages: the request of a stream, and responses as tensors or errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import InferResult, service_pb2
from tritonclient.utils import (
    InferenceServerException,
    serialize_byte_tensor,
    triton_to_np_dtype,
)

from vitrine.errors import VitrineError
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus, read_models
from vitrine.wire import beginning, datatypes, read_error

GRACE_S = 2.0
"""If gRPC has not ended a call this long after its deadline or its last response, it is given up."""


def stream_request(model: str, inputs: Tensors, version: str) -> service_pb2.ModelInferRequest:
    """Return the message of a streamed request; Triton marks the last response to it."""
    request = service_pb2.ModelInferRequest(model_name=model, model_version=version)
    for name, datatype in datatypes(inputs).items():
        request.inputs.add(name=name, datatype=datatype, shape=inputs[name].shape)
        request.raw_input_contents.append(_raw(inputs[name]))
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    return request


def is_last(result: InferResult | None, error: InferenceServerException | None) -> bool:
    """Whether a response is the last one of its request: marked so by Triton, or an error of the model.

    Such a stream is closed, not cancelled. Triton 2.51 can keep a request for ever whose stream is cancelled
    while its last response is sent, and then never unloads the version of the model.
    """
    if result is None:
        return error is not None and error.status() is None
    return bool(result.get_response().parameters["triton_final_response"].bool_param)


def read_tensors(result: InferResult) -> dict[str, np.ndarray]:
    """Return the outputs of a response; VitrineError, with their beginning, for damaged ones."""
    response = result.get_response()
    read = {}
    for index, one in enumerate(response.outputs):
        raw = response.raw_output_contents[index] if index < len(response.raw_output_contents) else b""
        try:
            if triton_to_np_dtype(one.datatype) is None:
                raise ValueError(f"unknown type {one.datatype}")
            read[one.name] = result.as_numpy(one.name)
        except Exception as error:  # whatever tritonclient and numpy raise for such bytes
            said = f"the server's output {one.name!r} is damaged: {error}; it begins with {beginning(raw)}"
            raise VitrineError(said) from error
    return read


def read_status(index: Mapping[str, Any], statistics: Mapping[str, Any]) -> tuple[ModelStatus, ...]:
    """Return the status of every model in these two answers."""
    return read_models(index.get("models", []), statistics.get("model_stats", []))


def read_rpc_error(error: grpc.RpcError, timeout_s: float, via: str | None) -> VitrineError:
    """Return the error of a stream that gRPC ended."""
    return read_error(InferenceServerException(error.details(), str(error.code())), timeout_s, via)


def _raw(tensor: np.ndarray) -> bytes:
    if tensor.dtype != np.object_:
        return tensor.tobytes()
    written = serialize_byte_tensor(tensor)
    return written.item() if written.size else b""
