"""The engine on torch: programs of torch.export, or packages of AOTInductor, so that no model code is needed.

The folder holds garment.pt2, conditioning.pt2, unet.pt2 and, where present, unet_cond.pt2, with the inputs of
the ONNX graphs in their order. torch is imported when an engine is made, not before.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from vitrine.errors import Unavailable

from vitrine_orchestrator.engine.protocol import CONDITIONING_INPUTS, Arrays, DeviceRow

if TYPE_CHECKING:
    from torch import Tensor

Graph = Callable[..., "Tensor | tuple[Tensor, ...]"]


@dataclass
class TorchBatch:
    """The fixed inputs of jobs that run together, on the device."""

    graph: Graph
    fixed: tuple[Tensor, ...]  # guidance where the graph takes it, then the conditioning
    garment: list[Tensor] = field(default_factory=list)  # (R, N_j, S_j), rewritten each step


class TorchEngine:
    """Rows computed by torch; conditioning and garment rows stay on its device."""

    latent_size: tuple[int, int] | None = None
    lanes = 1

    def __init__(self, folder: Path, device: str = "cpu", threads: int = 0) -> None:
        """Open the programs of `folder` on `device` ("cpu", "cuda:0"); threads 0: torch's own choice."""
        import torch

        self._torch, self._device = torch, device
        if threads:
            torch.set_num_threads(threads)
        self._garment, self._conditioning, self._unet = (
            self._open(folder / f"{name}.pt2") for name in ("garment", "conditioning", "unet")
        )
        unguided = folder / "unet_cond.pt2"
        self._unguided = self._open(unguided) if unguided.exists() else None

    def conditioning(self, inputs: Arrays) -> list[DeviceRow]:
        """Base, added embedding, text and image keys and values of R jobs."""
        return self._split(self._conditioning, *(inputs[name] for name in CONDITIONING_INPUTS))

    def garment(self, latents: np.ndarray, timesteps: np.ndarray, prompts: np.ndarray) -> list[DeviceRow]:
        """Keys and values by attention level of R rows."""
        return self._split(self._garment, latents, timesteps, prompts)

    def batch(self, conditioning: Sequence[DeviceRow], guidance: np.ndarray) -> TorchBatch:
        """Stack the conditioning; rows without guidance run unet_cond when all are such."""
        parts = [self._torch.stack(part) for part in zip(*(row.parts for row in conditioning), strict=True)]
        if self._unguided is not None and bool((guidance <= 1).all()):
            base, *halved = parts
            return TorchBatch(self._unguided, (base, *(part[:, 1:].contiguous() for part in halved)))
        return TorchBatch(self._unet, (self._tensor(np.maximum(guidance, 1.0)), *parts))

    def predict(
        self, batch: TorchBatch, latents: np.ndarray, timesteps: np.ndarray, garments: Sequence[DeviceRow]
    ) -> np.ndarray:
        """One step; the garment rows are stacked into the same memory each time."""
        levels = list(zip(*(row.parts for row in garments), strict=True))
        if not batch.garment:
            batch.garment = [level[0].new_empty((len(level), *level[0].shape)) for level in levels]
        for level, into in zip(levels, batch.garment, strict=True):
            self._torch.stack(level, out=into)
        with self._torch.inference_mode():
            inputs = (self._tensor(latents), self._tensor(timesteps), *batch.fixed, *batch.garment)
            return _first(batch.graph(*inputs)).float().cpu().numpy()

    def _split(self, graph: Graph, *arrays: np.ndarray) -> list[DeviceRow]:
        with self._torch.inference_mode():
            outputs = graph(*(self._tensor(array) for array in arrays))
            rows = [[output[index].clone() for output in outputs] for index in range(len(arrays[0]))]
        return [DeviceRow(tuple(row), sum(part.nbytes for part in row)) for row in rows]

    def _tensor(self, array: np.ndarray) -> Tensor:
        return self._torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self._device)

    def _open(self, path: Path) -> Graph:
        if not path.exists():
            raise Unavailable(f"denoise has no {path.name}: run make export")
        with zipfile.ZipFile(path) as archive:
            compiled = any("aotinductor" in name for name in archive.namelist())
        if compiled:
            return self._torch._inductor.aoti_load_package(str(path))
        return self._torch.export.load(path).module().to(self._device)


def _first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output[0] if isinstance(output, (tuple, list)) else output
