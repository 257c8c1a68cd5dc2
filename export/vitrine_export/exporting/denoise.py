"""IDM-VTON's graphs of `denoise` as networks: names, axes and samples for the modules of nets/graphs.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from vitrine_orchestrator.stages import Stage
from vitrine_orchestrator.stages.idm_vton import LATENT_HEIGHT, LATENT_WIDTH

from vitrine_export.checkpoint import Checkpoint
from vitrine_export.exporting.network import BATCH, Axis, Inside, Network, Size
from vitrine_export.exporting.order import TOKENS_OF
from vitrine_export.job_inputs import JobInputs, Widths, draw_job_inputs
from vitrine_export.nets import GarmentNet, TryonNet
from vitrine_export.nets.graphs import ConditioningGraph, GarmentGraph, UnetCondGraph, UnetGraph
from vitrine_export.nets.widths import widths

FOLDER = "denoise/1"
EXACT = frozenset({"timestep", "guidance", "time_ids"})
"""Inputs that stay float32 in a float16 graph: arguments of sines in the thousands, and a factor."""

TOLERANCE = 1e-3


def stage_networks(row: Stage, checkpoint: Checkpoint, dtype: torch.dtype) -> list[Network]:
    """Return garment, conditioning, unet and unet_cond, which share one copy of the nets."""
    return graphs_of(checkpoint.tryon(dtype), checkpoint.garment(dtype), dtype, cond=True)


def graphs_of(
    tryon: TryonNet,
    garment: GarmentNet,
    dtype: torch.dtype,
    cond: bool,
    kept: torch.dtype = torch.float32,
) -> list[Network]:
    """Return the graphs of a pair of nets with weights of `dtype`; samples are on the device of the nets.

    Outputs of garment and conditioning have dtype `kept`; all other inputs and outputs are float32.
    """
    samples = _Samples(widths(tryon), next(tryon.parameters()).device)
    garments = _network("garment", GarmentGraph(garment, tryon), samples.garment, dtype, kept)
    conditioning = _network("conditioning", ConditioningGraph(tryon), samples.conditioning, dtype, kept)
    samples.garment_module, samples.conditioning_module = garments.module, conditioning.module
    networks = [garments, conditioning, _network("unet", UnetGraph(tryon), samples.unet, dtype)]
    if cond:
        networks.append(_network("unet_cond", UnetCondGraph(tryon), samples.unet_cond, dtype))
    return networks


class _Samples:
    """Sample inputs of each graph by name; those of a step include the outputs of the other two graphs."""

    def __init__(self, sizes: Widths, device: torch.device) -> None:
        self.sizes, self.device = sizes, device
        self.garment_module: nn.Module | None = None
        self.conditioning_module: nn.Module | None = None

    def garment(self, rows: int, size: Size) -> dict[str, Tensor]:
        drawn = self._drawn(rows, size)
        return {
            "garment_latents": self._on_device(drawn.garment_latents),
            "timestep": torch.linspace(958, 1, rows).to(self.device),
            "garment_prompt_embeds": self._on_device(drawn.garment_prompt),
        }

    def conditioning(self, rows: int, size: Size) -> dict[str, Tensor]:
        drawn = self._drawn(rows, size).conditioning
        return {name: self._on_device(array) for name, array in drawn.items()}

    @torch.no_grad()
    def unet(self, rows: int, size: Size) -> dict[str, Tensor]:
        assert self.garment_module is not None
        assert self.conditioning_module is not None
        garment = self.garment(rows, size)
        base, *by_half = self.conditioning_module(*self.conditioning(rows, size).values())
        levels = self.garment_module(*garment.values())
        return {
            "latents": self._on_device(self._drawn(rows, size).latents),
            "timestep": garment["timestep"],
            "guidance": torch.linspace(2, 7.5, rows).to(self.device),
            "base": base,
            **dict(zip(("added", "text_kv", "image_kv"), by_half, strict=True)),
            **{f"garment_kv_{level}": kv for level, kv in enumerate(levels)},
        }

    def unet_cond(self, rows: int, size: Size) -> dict[str, Tensor]:
        whole = self.unet(rows, size)
        del whole["guidance"]
        return whole | {name: whole[name][:, 1:].contiguous() for name in ("added", "text_kv", "image_kv")}

    def _drawn(self, rows: int, size: Size) -> JobInputs:
        return draw_job_inputs(rows, _sides(size), self.sizes, seed=rows)

    def _on_device(self, drawn: np.ndarray) -> Tensor:
        return torch.from_numpy(drawn).to(self.device)


OUTPUTS: Mapping[str, tuple[str, ...]] = {
    "conditioning": ("base", "added", "text_kv", "image_kv"),
    "unet": ("prediction",),
    "unet_cond": ("prediction",),
}
"""Outputs by graph. The graph `garment` has garment_kv_0, garment_kv_1 …, one per attention level."""


def _network(
    name: str,
    module: nn.Module,
    sample: Callable[[int, Size], dict[str, Tensor]],
    dtype: torch.dtype,
    output_dtype: torch.dtype = torch.float32,
) -> Network:
    shown = sample(2, "small")
    outputs = OUTPUTS.get(name) or tuple(f"garment_kv_{j}" for j in range(module.tryon.levels))
    return Network(
        file=f"{FOLDER}/{name}.onnx",
        module=Inside(module, dtype, [key not in EXACT for key in shown], output_dtype).eval(),
        inputs=tuple((key, _dims(key, tensor)) for key, tensor in shown.items()),
        outputs=outputs,
        tolerance=TOLERANCE,
        sample=lambda rows, size: tuple(sample(rows, size).values()),
    )


def _dims(name: str, tensor: Tensor) -> tuple[Axis, ...]:
    """Return the dims of a tensor: rows, latent sides and the number of garment tokens vary."""
    sides = _sides("small")
    if tensor.shape[2:] == sides:
        return (BATCH, tensor.shape[1], LATENT_HEIGHT.name, LATENT_WIDTH.name)
    if name.startswith("garment_kv_"):
        return (BATCH, f"{TOKENS_OF}{sides[0] * sides[1] // tensor.shape[1]}", tensor.shape[2])
    return (BATCH, *tensor.shape[1:])


def _sides(size: Size) -> tuple[int, int]:
    if isinstance(size, tuple):
        return size
    return getattr(LATENT_HEIGHT, size), getattr(LATENT_WIDTH, size)
