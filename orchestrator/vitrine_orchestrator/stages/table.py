"""The types of the stage table's rows. See `vitrine_orchestrator.stages`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Size:
    """A named size that depends on the checkpoint or the request.

    Engines are built for `least` to `most`, best for `usual`, the released checkpoint's size. `small` is the
    small checkpoint's: networks are traced and warmed up with it.
    """

    name: str
    least: int
    small: int
    usual: int
    most: int


Dim = int | Size
"""A fixed size, or one that varies; -1 varies without a name."""


@dataclass(frozen=True)
class Tensor:
    """One input or output; `dims` are without the batch dimension."""

    name: str
    dtype: Literal["FP32", "INT32", "INT64", "UINT8", "UINT64", "BOOL", "STRING"]
    dims: tuple[Dim, ...]
    optional: bool = False


@dataclass(frozen=True)
class Network:
    """The stage is one exported graph, run by ONNX Runtime."""

    max_batch: int  # rows of one call
    in_turn: bool = False  # whether its calls on the CPU take turns with the denoiser's
    row_by_row: bool = False  # whether the CPU runs one row after the other, since a row takes much memory
    tolerance: float = 1e-3  # largest absolute difference between the exported and the torch network


@dataclass(frozen=True)
class Service:
    """The stage is a Python model; its tensors have no batch dimension."""

    in_flight: int  # requests served concurrently
    decoupled: bool = False  # many responses for one request
    of_release: bool = True  # whether every release has a version of its own; else releases can share one
    holds_networks: bool = False  # whether it has weights of its own, which take memory
    own_queue: bool = False  # whether requests wait in its process, not in Triton's queue


@dataclass(frozen=True)
class Queue:
    """How requests wait before the stage runs them."""

    size: int = 128  # of a Python model: more waiting requests than this are refused as busy
    timeout_us: int = 60_000_000  # of a Python model: a request that waits longer is refused as busy
    delay_us: int = 500  # how long a network waits for more requests to batch


@dataclass(frozen=True)
class Stage:
    """One model: inputs, outputs, what runs it, and the queue of its requests."""

    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    runs: Network | Service
    queue: Queue = Queue()
    families: tuple[str, ...] = ()  # the families whose checkpoints it serves; empty: it reads no checkpoint
    beside: tuple[str, ...] = ()  # without families: loaded where one of these is served; empty: everywhere
    on_gpu: bool = True  # whether the CUDA and TensorRT profiles put it on a GPU
    needed: bool = True  # whether a release must hold it; another is loaded where its file is

    @property
    def backend(self) -> Literal["onnxruntime", "python"]:
        """The name of its Triton backend."""
        return "python" if isinstance(self.runs, Service) else "onnxruntime"

    @property
    def max_batch(self) -> int:
        """Rows of one call; 0: the tensors have no batch dimension."""
        return self.runs.max_batch if isinstance(self.runs, Network) else 0

    @property
    def tolerance(self) -> float:
        """The largest difference between exported and torch network; 0 for a Python model."""
        return self.runs.tolerance if isinstance(self.runs, Network) else 0.0

    @property
    def in_flight(self) -> int:
        """Requests that a Python model serves concurrently; 0 for a network."""
        return self.runs.in_flight if isinstance(self.runs, Service) else 0

    @property
    def waits_in_process(self) -> bool:
        """Whether requests wait in its process, not in Triton's queue: see adapters/waiting.py."""
        return isinstance(self.runs, Service) and self.runs.own_queue

    @property
    def decoupled(self) -> bool:
        """Whether one request has many responses."""
        return isinstance(self.runs, Service) and self.runs.decoupled

    @property
    def holds_networks(self) -> bool:
        """Whether it takes memory that is worth being given back: see residency/."""
        return isinstance(self.runs, Network) or self.runs.holds_networks

    @property
    def needs_manifest(self) -> bool:
        """Whether its version folder must hold the checkpoint's manifest."""
        return self.backend == "python" and bool(self.families)

    @property
    def of_release(self) -> bool:
        """Whether every release has a version of its own, as pipelines have: caches are keyed by them."""
        return self.needs_manifest and isinstance(self.runs, Service) and self.runs.of_release


def optional(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The same tensors, which a request may leave out."""
    return tuple(Tensor(t.name, t.dtype, t.dims, optional=True) for t in tensors)


def of_family(family: str, *rows: Stage) -> tuple[Stage, ...]:
    """The same rows, as those of one family."""
    return tuple(replace(row, families=(family,)) for row in rows)


def joined(*groups: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """The tensors of all groups, each name once; a size that differs between groups becomes -1.

    Raises ValueError where tensors of one name differ in type or in the number of dimensions.
    """
    found: dict[str, Tensor] = {}
    for tensor in (tensor for group in groups for tensor in group):
        other = found.setdefault(tensor.name, tensor)
        if (other.dtype, len(other.dims)) != (tensor.dtype, len(tensor.dims)):
            raise ValueError(f"the tensor {tensor.name} is {other} in one family and {tensor} in another")
        dims = tuple(a if a == b else -1 for a, b in zip(other.dims, tensor.dims, strict=True))
        found[tensor.name] = replace(other, dims=dims)
    return tuple(found.values())


_NUMPY: dict[str, np.dtype] = {
    "FP32": np.dtype(np.float32),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "UINT8": np.dtype(np.uint8),
    "UINT64": np.dtype(np.uint64),
    "BOOL": np.dtype(np.bool_),
    "STRING": np.dtype(np.object_),
}


def numpy_dtype(tensor: Tensor) -> np.dtype:
    """The numpy dtype of a tensor; STRING is object (bytes)."""
    return _NUMPY[tensor.dtype]
