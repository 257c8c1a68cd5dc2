"""Stages run by Triton itself: business logic scripting calls out of a Python model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from vitrine.errors import BadRequest, StageFailed, Unavailable, VitrineError, from_wire

from vitrine_orchestrator.adapters.sending import memory_full
from vitrine_orchestrator.shared_memory import FULL
from vitrine_orchestrator.stages import stage

VersionOf = Callable[[str], int]
"""Which version of a model is called: without one Triton takes the highest that is loaded at that moment."""

NOT_LOADED = ("unknown model", "is not found", "is not ready", "not at ready state", "no available versions")
"""Triton's sentences (2.51) for a model or a version that it cannot call."""


def newest(name: str) -> int:
    """Triton's word for the highest version."""
    return -1


class BlsStages:
    """Calls models of the same server; many calls wait at once in the running loop's default executor.

    The calls carry no trace. Triton gives a request's trace back when `execute` returns, which is before we
    call: a call with that trace ends the server (signal 11).
    """

    def __init__(self, pb_utils: Any, version_of: VersionOf) -> None:
        """`pb_utils` is triton_python_backend_utils."""
        self.pb_utils, self.version_of = pb_utils, version_of

    async def __call__(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The model's outputs, copied out of shared memory."""
        version = self.version_of(name)
        request = self.pb_utils.InferenceRequest(
            model_name=name,
            model_version=version,
            requested_output_names=[tensor.name for tensor in stage(name).outputs],
            inputs=[self.pb_utils.Tensor(key, np.ascontiguousarray(array)) for key, array in inputs.items()],
            preferred_memory=self.pb_utils.PreferredMemory(self.pb_utils.TRITONSERVER_MEMORY_CPU, 0),
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


def host_arrays(tensors: Iterable[Any]) -> dict[str, np.ndarray]:
    """The tensors' values by name; Triton hands them over on the CPU, as asked."""
    return {tensor.name(): np.array(tensor.as_numpy()) for tensor in tensors}


def stage_error(name: str, version: int, code: str | None, text: str) -> VitrineError:
    """What a stage's error means to the caller of the pipeline.

    Errors of our own models pass as they are. What Triton itself refuses of an inner call is no fault of
    the caller: a missing version is Unavailable, full shared memory Busy, anything else the stage's failure.
    """
    if FULL in text:
        return memory_full()
    error = from_wire(code, text)
    if text.startswith(f"{error.word}: "):  # said by us
        return error
    if any(words in text for words in NOT_LOADED):
        return Unavailable(f"version {version} of stage {name} is not loaded")
    if isinstance(error, BadRequest) or type(error) is VitrineError:
        return StageFailed(name, text)
    return error
