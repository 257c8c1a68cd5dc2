"""An engine on ONNX Runtime: fashn_fixed_tokens.onnx, fashn_modulations.onnx and fashn_step.onnx."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from vitrine.errors import Unavailable

from vitrine_orchestrator.cores.row_split import Lanes, cores
from vitrine_orchestrator.cores.turn_lock import NoTurnLock, TurnLock, open_turn_lock
from vitrine_orchestrator.engine.onnx_device import OnnxDevice, bind_arrays, cpu, cuda
from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.wire.arrays import Arrays

FILES = {name: f"fashn_{name}.onnx" for name in ("fixed_tokens", "modulations", "step")}
FIXED = ("image_fixed", "garment_tokens")  # the outputs of fixed_tokens, inputs of step


@dataclass(frozen=True)
class Share:
    """The rows of one lane: the session that computes them, with their tokens bound."""

    rows: slice
    session: onnxruntime.InferenceSession
    binding: onnxruntime.IOBinding


class OnnxEngine:
    """An Engine on ONNX Runtime. On the CPU each core computes rows of its own, as in cores/row_split.py."""

    def __init__(self, folder: Path, device: OnnxDevice, lanes: int = 1) -> None:
        """Open the graphs of `folder`; Unavailable names a file that is missing.

        lanes: concurrent calls of one thread each, for calls of at least as many rows.
        """
        paths = {name: _present(folder / file) for name, file in FILES.items()}
        self._device, self._modulations = device, paths["modulations"]
        self._tokens, self._step = device.open(paths["fixed_tokens"]), device.open(paths["step"])
        self._single = cpu(1).open(paths["step"]) if lanes > 1 else self._step
        self._lanes = Lanes(lanes)
        self._turns: TurnLock | NoTurnLock = open_turn_lock() if lanes > 1 else NoTurnLock()

    def fixed_tokens(self, pictures: Arrays) -> list[DeviceRow]:
        """See Engine."""
        return self._device.split(self._device.run(self._tokens, pictures))

    def modulations(self, times: np.ndarray, categories: np.ndarray) -> list[DeviceRow]:
        """See Engine. The graph is opened for this call only: it holds a quarter of all weights."""
        session = self._device.open(self._modulations)
        return self._device.split(self._device.run(session, {"times": times, "category": categories}))

    def batch(self, tokens: Sequence[DeviceRow]) -> list[Share]:
        """See Engine."""
        shares = []
        parts = self._lanes.shares(len(tokens)) if self._lanes.count > 1 else [slice(0, len(tokens))]
        session = self._single if len(parts) > 1 else self._step
        for rows in parts:
            binding = session.io_binding()
            for index, name in enumerate(FIXED):
                stacked = self._device.stack([(row.parts[index], 0) for row in tokens[rows]])
                binding.bind_ortvalue_input(name, stacked)
            for output in session.get_outputs():
                binding.bind_output(output.name, "cpu")
            shares.append(Share(rows, session, binding))
        self._device.settle()
        return shares

    def step(self, batch: list[Share], states: np.ndarray, modulations: Sequence[DeviceRow]) -> np.ndarray:
        """See Engine."""

        def velocity(share: Share) -> np.ndarray:
            bind_arrays(share.binding, share.session, {"state": states[share.rows]})
            mods = self._device.stack([(row.parts[0], 0) for row in modulations[share.rows]])
            share.binding.bind_ortvalue_input("mods", mods)
            self._device.settle()
            share.session.run_with_iobinding(share.binding)
            return share.binding.get_outputs()[0].numpy().astype(np.float32, copy=False)

        with self._turns.taken():
            return np.concatenate(self._lanes.run_all(velocity, batch))


def load_engine(folder: Path, provider: str = "cpu", device_id: int = 0, threads: int = 0) -> OnnxEngine:
    """The engine of a version folder.

    `provider` is "cpu", "cuda" or "tensorrt"; `threads` are those of one step on the CPU, 0: one a core.
    Raises Unavailable when the folder lacks a graph.
    """
    if provider == "cpu":
        lanes = threads or cores()
        return OnnxEngine(folder, cpu(lanes), lanes)
    return OnnxEngine(folder, cuda(device_id, provider == "tensorrt"))


def _present(path: Path) -> Path:
    if not path.exists():
        raise Unavailable(f"denoise has no {path.name}: run make export")
    return path
