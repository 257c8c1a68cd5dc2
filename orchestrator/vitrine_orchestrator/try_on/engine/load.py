"""Opens the engine of a version folder."""

from __future__ import annotations

from pathlib import Path

from vitrine.errors import Unavailable

from vitrine_orchestrator.cores.row_split import cores
from vitrine_orchestrator.cores.turn_lock import open_turn_lock
from vitrine_orchestrator.engine.onnx_device import cpu, cuda
from vitrine_orchestrator.try_on.engine.onnx_engine import OnnxEngine
from vitrine_orchestrator.try_on.engine.protocol import Engine
from vitrine_orchestrator.try_on.engine.split_engine import SplitEngine
from vitrine_orchestrator.try_on.engine.torch_engine import TorchEngine

PROVIDERS = ("cpu", "cuda", "tensorrt")


def load_engine(folder: Path, provider: str = "cpu", device_id: int = 0, threads: int = 0) -> Engine:
    """ONNX Runtime for unet.onnx, torch for unet.pt2.

    `provider` is "cpu", "cuda" or "tensorrt" (torch takes the GPU for both of the last); `threads` are those
    of one step on the CPU, 0: one for each core.
    Raises Unavailable when the folder holds neither.
    """
    if provider not in PROVIDERS:
        raise ValueError(f"provider must be one of {PROVIDERS}, got {provider!r}")
    if (folder / "unet.onnx").exists():
        if provider != "cpu":
            return OnnxEngine(folder, cuda(device_id, provider == "tensorrt"))
        lanes = threads or cores()
        whole = OnnxEngine(folder, cpu(lanes))
        return SplitEngine(whole, OnnxEngine(folder, cpu(1)), lanes, open_turn_lock()) if lanes > 1 else whole
    if (folder / "unet.pt2").exists():
        return TorchEngine(folder, "cpu" if provider == "cpu" else f"cuda:{device_id}", threads)
    raise Unavailable("denoise has neither unet.onnx nor unet.pt2: run make export")
