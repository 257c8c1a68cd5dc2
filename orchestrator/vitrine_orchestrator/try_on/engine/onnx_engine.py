"""An engine on ONNX Runtime: garment.onnx, conditioning.onnx, unet.onnx and, if present, unet_cond.onnx."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime import OrtValue
from vitrine.errors import Unavailable

from vitrine_orchestrator.engine.onnx_device import OnnxDevice, bind_arrays, cpu
from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.wire.arrays import Arrays

_HALVED = {"added", "text_kv", "image_kv"}  # have the [unconditional, conditional] axis


@dataclass
class OnnxBatch:
    """The bound inputs of the jobs of one call; they stay bound from step to step."""

    session: onnxruntime.InferenceSession
    binding: onnxruntime.IOBinding
    garment: dict[str, OrtValue] = field(default_factory=dict)  # (R, N_j, S_j), rewritten each step


class OnnxEngine:
    """An Engine on ONNX Runtime; conditioning and garment rows stay on its device."""

    lanes = 1

    def __init__(self, folder: Path, device: OnnxDevice | None = None) -> None:
        """Open the graphs of `folder`; Unavailable names the file that is missing."""
        self._device = device or cpu()
        self._garment, self._conditioning, self._unet = (
            self._device.open(_present(folder / f"{name}.onnx"))
            for name in ("garment", "conditioning", "unet")
        )
        unguided = folder / "unet_cond.onnx"
        self._unguided = self._device.open(unguided) if unguided.exists() else None
        self._conditioned = [output.name for output in self._conditioning.get_outputs()]
        self._levels = [output.name for output in self._garment.get_outputs()]

    @property
    def latent_size(self) -> tuple[int, int] | None:
        """Latent (height, width) when the graph was exported for one size only."""
        height, width = next(i.shape for i in self._unet.get_inputs() if i.name == "latents")[2:]
        return (height, width) if isinstance(height, int) and isinstance(width, int) else None

    def conditioning(self, inputs: Arrays) -> list[DeviceRow]:
        """Base, added embedding, text and image keys and values of R jobs."""
        return self._device.split(self._device.run(self._conditioning, inputs))

    def garment(self, latents: np.ndarray, timesteps: np.ndarray, prompts: np.ndarray) -> list[DeviceRow]:
        """Keys and values by attention level of R rows."""
        feeds = {"garment_latents": latents, "timestep": timesteps, "garment_prompt_embeds": prompts}
        return self._device.split(self._device.run(self._garment, feeds))

    def batch(self, conditioning: Sequence[DeviceRow], guidance: np.ndarray) -> OnnxBatch:
        """Stack and bind the conditioning. When no row has guidance, unet_cond.onnx replaces unet.onnx."""
        plain = self._unguided is not None and bool((guidance <= 1).all())
        session = self._unguided if plain and self._unguided is not None else self._unet
        binding = session.io_binding()
        for index, name in enumerate(self._conditioned):
            parts = [row.parts[index] for row in conditioning]
            binding.bind_ortvalue_input(name, self._together(parts, skip=int(plain and name in _HALVED)))
        bind_arrays(binding, session, {"guidance": np.maximum(guidance, 1.0)})
        for output in session.get_outputs():
            binding.bind_output(output.name, "cpu")
        self._device.settle()
        return OnnxBatch(session, binding)

    def predict(
        self, batch: OnnxBatch, latents: np.ndarray, timesteps: np.ndarray, garments: Sequence[DeviceRow]
    ) -> np.ndarray:
        """One step; the only copies are the latents and, for several rows, their garment rows."""
        bind_arrays(batch.binding, batch.session, {"latents": latents, "timestep": timesteps})
        for index, name in enumerate(self._levels):
            parts = [row.parts[index] for row in garments]
            value = self._together(parts, into=batch.garment.get(name))
            if len(parts) > 1:
                batch.garment[name] = value
            batch.binding.bind_ortvalue_input(name, value)
        self._device.settle()
        batch.session.run_with_iobinding(batch.binding)
        return batch.binding.get_outputs()[0].numpy().astype(np.float32, copy=False)

    def _together(self, parts: Sequence[OrtValue], into: OrtValue | None = None, skip: int = 0) -> OrtValue:
        if len(parts) == 1 and not skip:
            return parts[0]
        return self._device.stack([(part, 0) for part in parts], into, skip)


def _present(path: Path) -> Path:
    if not path.exists():
        raise Unavailable(f"denoise has no {path.name}: run make export")
    return path
