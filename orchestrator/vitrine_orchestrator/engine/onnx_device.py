"""The memory in which ONNX Runtime keeps an engine's arrays, and how rows are copied in it.

The same code binds inputs and outputs to the memory of the CPU or of a GPU; an `OnnxDevice` is what differs.
`cuda` follows NVIDIA's and ONNX Runtime's documentation and has not run on a GPU; the tests run the same
binding and copying on the CPU.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime import OrtValue
from vitrine.errors import Unavailable

from vitrine_orchestrator.engine.prepared_graphs import (
    NoPreparedGraphs,
    PreparedGraphs,
    open_prepared_graphs,
)
from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.residency.resting import has_budget

_DTYPES: dict[str, type] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


@dataclass(frozen=True)
class OnnxDevice:
    """One kind of memory: the providers that compute in it, and functions that allocate and copy in it."""

    providers: tuple[tuple[str, dict[str, str]], ...]
    threads: int
    allocate: Callable[[tuple[int, ...], type], OrtValue]
    copy: Callable[[int, int, int], object]  # to address, from address, bytes
    settle: Callable[[], None]  # waits until the copies are done
    name: str = "cpu"
    device_id: int = 0
    spinning: bool = False  # idle threads keep their core busy for a while before they sleep
    arena: bool = True  # ONNX Runtime keeps the memory of its arrays for itself
    graphs: PreparedGraphs | NoPreparedGraphs = field(default_factory=NoPreparedGraphs)

    def open(self, path: Path) -> onnxruntime.InferenceSession:
        """A session of the graph on this device; Unavailable when a provider is missing from this build."""
        missing = {name for name, _ in self.providers} - set(onnxruntime.get_available_providers())
        if missing:
            raise Unavailable(f"this onnxruntime lacks {sorted(missing)}: install onnxruntime-gpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(self.spinning)))
        options.log_severity_level = 3  # errors
        options.enable_cpu_mem_arena = self.arena
        return self.graphs.open(path, options, self.providers)

    def run(self, session: onnxruntime.InferenceSession, feeds: Mapping[str, np.ndarray]) -> list[OrtValue]:
        """One call with host arrays as inputs; the outputs stay on the device."""
        binding = session.io_binding()
        bind_arrays(binding, session, feeds)
        for output in session.get_outputs():
            binding.bind_output(output.name, self.name, self.device_id)
        session.run_with_iobinding(binding)
        return binding.get_outputs()

    def put(self, array: np.ndarray) -> OrtValue:
        """A copy of a host array on this device, to be bound in many calls."""
        return OrtValue.ortvalue_from_numpy(np.array(array), self.name, self.device_id)

    def split(self, outputs: Sequence[OrtValue]) -> list[DeviceRow]:
        """The rows of a call's outputs, each copied to its own memory; every part has shape (1, …)."""
        rows = []
        for index in range(outputs[0].shape()[0]):
            parts = [self.stack([(output, index)]) for output in outputs]
            rows.append(DeviceRow(tuple(parts), sum(part.tensor_size_in_bytes() for part in parts)))
        self.settle()
        return rows

    def stack(
        self, rows: Sequence[tuple[OrtValue, int]], into: OrtValue | None = None, skip: int = 0
    ) -> OrtValue:
        """The rows (value, index) stacked in `into` or in new memory: (len(rows), …).

        `skip` omits that many entries at the start of the rows' second axis. Call `settle` before
        the result is read.
        """
        _, *shape = rows[0][0].shape()
        stride = rows[0][0].tensor_size_in_bytes() // rows[0][0].shape()[0]
        start = stride // shape[0] * skip
        shape[0] -= skip
        if into is None:
            into = self.allocate((len(rows), *shape), _DTYPES[rows[0][0].data_type()])
        size = stride - start
        for place, (value, index) in enumerate(rows):
            self.copy(into.data_ptr() + place * size, value.data_ptr() + index * stride + start, size)
        return into


def bind_arrays(
    binding: onnxruntime.IOBinding, session: onnxruntime.InferenceSession, feeds: Mapping[str, np.ndarray]
) -> None:
    """Bind host arrays, in the dtype that the graph takes."""
    for entry in session.get_inputs():
        if entry.name in feeds:
            binding.bind_cpu_input(entry.name, np.ascontiguousarray(feeds[entry.name], _DTYPES[entry.type]))


def cpu(threads: int = 0, spinning: bool = False) -> OnnxDevice:
    """The CPU, with `threads` threads for one call (0: one for each core).

    Spinning wakes threads faster when nothing else uses the cores. When other stages do, it costs them
    processor time: 68 to 97 ms for a row's step, compared with 28 to 32 ms without it (paper-doll checkpoint,
    2 threads on 2 busy cores).
    """
    return OnnxDevice(
        providers=(("CPUExecutionProvider", {}),),
        threads=threads,
        allocate=lambda shape, dtype: OrtValue.ortvalue_from_numpy(np.empty(shape, dtype)),
        copy=ctypes.memmove,
        settle=lambda: None,
        spinning=spinning,
        arena=not has_budget(),
        graphs=open_prepared_graphs(),
    )


def cuda(device_id: int = 0, tensorrt: bool = False) -> OnnxDevice:
    """One NVIDIA GPU; with `tensorrt`, engines are built for each new shape and kept next to the graphs."""
    runtime = _cuda_runtime()
    options = {"device_id": str(device_id)}
    providers = [("CUDAExecutionProvider", {**options, "cudnn_conv_algo_search": "HEURISTIC"})]
    if tensorrt:
        kept = {"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"}
        providers.insert(0, ("TensorrtExecutionProvider", {**options, **kept}))
    return OnnxDevice(
        providers=tuple(providers),
        threads=1,
        allocate=lambda shape, dtype: OrtValue.ortvalue_from_shape_and_type(shape, dtype, "cuda", device_id),
        copy=lambda to, source, size: _check(runtime.cudaMemcpyAsync(to, source, size, _ON_DEVICE, None)),
        settle=lambda: _check(runtime.cudaStreamSynchronize(None)),
        name="cuda",
        device_id=device_id,
    )


_ON_DEVICE = ctypes.c_int(3)  # cudaMemcpyDeviceToDevice


def _cuda_runtime() -> ctypes.CDLL:
    for name in ("libcudart.so.13", "libcudart.so.12", "libcudart.so"):
        try:
            runtime = ctypes.CDLL(name)
        except OSError:
            continue
        pointer = ctypes.c_void_p
        runtime.cudaMemcpyAsync.argtypes = [pointer, pointer, ctypes.c_size_t, ctypes.c_int, pointer]
        runtime.cudaStreamSynchronize.argtypes = [pointer]
        return runtime
    raise Unavailable("the CUDA runtime (libcudart.so.12 or .13) is not installed")


def _check(status: int) -> None:
    if status:
        raise RuntimeError(f"CUDA error {status}")
