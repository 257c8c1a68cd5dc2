"""Calls stages on the same Triton server, by business logic scripting (BLS) in a Python model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from vitrine.errors import BadRequest, StageFailed, Unavailable, VitrineError, from_wire

from vitrine_orchestrator.adapters.sending import memory_full
from vitrine_orchestrator.shared_memory import FULL
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.stages.table import Network

VersionOf = Callable[[str], int]
"""The version of a model to call; -1: the highest that is loaded at that moment."""

FROM_MODEL = "from_model"
"""The parameter by which a model knows that another one calls it."""

NOT_LOADED = ("unknown model", "is not found", "is not ready", "not at ready state", "no available versions")
"""Parts of Triton's error messages (2.51) for a model or a version that is not loaded."""


def newest(name: str) -> int:
    """-1, which Triton reads as the highest version."""
    return -1


class BlsStages:
    """Calls models of the same server; many calls wait concurrently in the running loop's default executor.

    The calls carry no trace. Triton releases a request's trace when `execute` returns, which is before these
    calls: a call with the released trace would crash the server (signal 11).
    """

    def __init__(self, pb_utils: Any, version_of: VersionOf) -> None:
        """`pb_utils` is triton_python_backend_utils."""
        self.pb_utils, self.version_of = pb_utils, version_of

    async def __call__(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The model's outputs, copied out of shared memory."""
        return await self.call(name, name, inputs)

    async def call(self, name: str, known_as: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs of a stage whose model Triton knows under another name."""
        version = self.version_of(name)
        request = self.pb_utils.InferenceRequest(
            model_name=known_as,
            model_version=version,
            requested_output_names=[tensor.name for tensor in stage(name).outputs],
            inputs=[self.pb_utils.Tensor(key, np.ascontiguousarray(array)) for key, array in inputs.items()],
            preferred_memory=self.pb_utils.PreferredMemory(self.pb_utils.TRITONSERVER_MEMORY_CPU, 0),
            parameters={FROM_MODEL: True},
        )
        try:
            response = await request.async_exec()
        except self.pb_utils.TritonModelException as error:
            raise stage_error(name, version, None, str(error)) from error
        if response.has_error():
            code = self._code(response.error())
            raise stage_error(name, version, code, response.error().message())
        return host_arrays(response.output_tensors())

    def _code(self, error: Any) -> str | None:
        """The name of the error's constant."""
        names = (name for name in dir(self.pb_utils.TritonError) if name.isupper())
        return next(
            (name for name in names if getattr(self.pb_utils.TritonError, name) == error.code()), None
        )


def is_from_model(request: Any) -> bool:
    """Whether another model sent a request; Triton (2.51) cannot cancel such a call."""
    return FROM_MODEL in parameters_of(request)


def parameters_of(request: Any) -> dict[str, Any]:
    """A request's parameters, and the headers that Triton passes on; BadRequest if one is not UTF-8."""
    try:
        return json.loads(request.parameters() or "{}")
    except UnicodeDecodeError as error:
        raise BadRequest("parameters and the header Host must be UTF-8") from error


def host_arrays(tensors: Iterable[Any]) -> dict[str, np.ndarray]:
    """Copies of the tensors' values by name; the tensors are in CPU memory (`preferred_memory`)."""
    return {tensor.name(): np.array(tensor.as_numpy()) for tensor in tensors}


def stage_error(name: str, version: int, code: str | None, text: str) -> VitrineError:
    """The error that the pipeline raises when a stage fails.

    Errors of Vitrine's models are kept. An inner call that Triton itself rejects, or a network, is not the
    caller's fault: a version that is not loaded gives Unavailable, full shared memory Busy, and anything else
    StageFailed.
    """
    if FULL in text:
        return memory_full()
    error = from_wire(code, text)
    if text.startswith(f"{error.word}: "):  # written by one of Vitrine's models
        return StageFailed(name, str(error)) if isinstance(stage(name).runs, Network) else error
    if any(words in text for words in NOT_LOADED):
        return Unavailable(f"version {version} of stage {name} is not loaded")
    if isinstance(error, BadRequest) or type(error) is VitrineError:
        return StageFailed(name, text)
    return error
