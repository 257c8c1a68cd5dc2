"""An engine on torch. It runs programs of torch.export or packages of AOTInductor, so it needs no model code.

The folder holds garment.pt2, conditioning.pt2, unet.pt2 and, where present, unet_cond.pt2 (`vitrine-export
torch` writes them), with the inputs of the ONNX graphs in their order; about.json says for which latent size.
Host arrays are float32; rows keep the dtype of the programs' outputs. torch is imported when the first engine
is created.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from vitrine.errors import Unavailable

from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.try_on.engine.protocol import CONDITIONING_INPUTS
from vitrine_orchestrator.wire.arrays import Arrays

if TYPE_CHECKING:
    from torch import Tensor

Graph = Callable[..., "Tensor | tuple[Tensor, ...]"]

PROGRAMS = ("garment", "conditioning", "unet")
UNGUIDED = "unet_cond"
ABOUT = "about.json"


@dataclass
class TorchBatch:
    """The fixed inputs of jobs that run together, on the device."""

    graph: Graph
    fixed: tuple[Tensor, ...]  # guidance where the graph takes it, then the conditioning
    garment: list[Tensor] = field(default_factory=list)  # (R, N_j, S_j), rewritten each step


class TorchEngine:
    """An Engine on torch; conditioning and garment rows stay on its device."""

    lanes = 1

    def __init__(self, programs: Path | Mapping[str, Graph], device: str = "cpu", threads: int = 0) -> None:
        """Open the programs of a folder on `device` ("cpu", "cuda:0"); threads 0: torch's own choice.

        Instead of a folder, `programs` may be callables on that device by the names of `PROGRAMS`.
        """
        import torch

        self._torch, self._device = torch, device
        if threads:
            torch.set_num_threads(threads)
        opened = open_programs(programs, device) if isinstance(programs, Path) else programs
        self.latent_size = _latent_size(programs) if isinstance(programs, Path) else None
        self._garment, self._conditioning, self._unet = (opened[name] for name in PROGRAMS)
        self._unguided = opened.get(UNGUIDED)

    def conditioning(self, inputs: Arrays) -> list[DeviceRow]:
        """Base, added embedding, text and image keys and values of R jobs."""
        return self._split(self._conditioning, *(inputs[name] for name in CONDITIONING_INPUTS))

    def garment(self, latents: np.ndarray, timesteps: np.ndarray, prompts: np.ndarray) -> list[DeviceRow]:
        """Keys and values by attention level of R rows."""
        return self._split(self._garment, latents, timesteps, prompts)

    def batch(self, conditioning: Sequence[DeviceRow], guidance: np.ndarray) -> TorchBatch:
        """Stack the conditioning. When no row has guidance, unet_cond runs instead of unet."""
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


def open_programs(folder: Path, device: str) -> dict[str, Graph]:
    """The programs of a folder by name. Raises Unavailable naming the file that is missing."""
    paths = {name: folder / f"{name}.pt2" for name in (*PROGRAMS, UNGUIDED)}
    return {
        name: open_program(path, device) for name, path in paths.items() if name in PROGRAMS or path.exists()
    }


def _latent_size(folder: Path) -> tuple[int, int] | None:
    """The latent (height, width) that the programs were exported for; None when about.json is missing."""
    about = folder / ABOUT
    if not about.exists():
        return None
    sizes = json.loads(about.read_text(encoding="utf-8"))
    return sizes["latent_height"], sizes["latent_width"]


def open_program(path: Path, device: str) -> Graph:
    """One program, moved to `device`; a compiled one runs only on the kind of device of its compilation."""
    import torch
    from torch._inductor import aoti_load_package
    from torch.export.passes import move_to_device_pass

    if not path.exists():
        raise Unavailable(f"denoise has no {path.name}: run make export")
    with zipfile.ZipFile(path) as archive:
        compiled = any("aotinductor" in name for name in archive.namelist())
    if compiled:
        index = torch.device(device).index
        return aoti_load_package(str(path), device_index=-1 if index is None else index)
    return move_to_device_pass(torch.export.load(path), device).module()


def _first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output[0] if isinstance(output, (tuple, list)) else output
