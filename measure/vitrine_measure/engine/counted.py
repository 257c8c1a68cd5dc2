"""Counts work and bytes on the meta device, without a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from vitrine_export.device import DTYPES
from vitrine_export.exporting.denoise import graphs_of
from vitrine_export.job_inputs import LATENT_FACTOR
from vitrine_export.nets import build_garment, build_tryon

from vitrine_measure.engine.subject import GUIDANCE
from vitrine_measure.flops import TERA, Configs, Line

GIGA = 1e9


@dataclass(frozen=True)
class DeviceBytes:
    """Bytes on the device: both nets, a job's conditioning, a garment's keys and values at one timestep."""

    weights: int
    conditioning: int
    garment: int


@torch.no_grad()
def device_bytes(configs: Configs, dtype: torch.dtype, size: tuple[int, int]) -> DeviceBytes:
    """Count the bytes of a pair of nets in `dtype` for pictures of (width, height) pixels."""
    with torch.device("meta"):
        tryon, garment = build_tryon(configs[0]).to(dtype), build_garment(configs[1]).to(dtype)
    weights = sum(p.nbytes for net in (tryon, garment) for p in net.parameters())
    latents = size[1] // LATENT_FACTOR, size[0] // LATENT_FACTOR
    rows = {n.file: n.module(*n.sample(1, latents)) for n in graphs_of(tryon, garment, dtype, False, dtype)}
    made = {file: sum(part.nbytes for part in row) for file, row in rows.items()}
    return DeviceBytes(weights, made["denoise/1/conditioning.onnx"], made["denoise/1/garment.onnx"])


def counted(
    lines: Sequence[Line], configs: Configs, dtypes: Sequence[str], size: tuple[int, int], steps: int
) -> str:
    """Return the work of a picture and its bytes on the device, as text."""
    lines_of_text = [f"counted for one picture of {size[0]}x{size[1]}, {steps} steps, guidance {GUIDANCE:g}:"]
    lines_of_text += [f"{line.flop / TERA:9.4g} TFLOP  {line.name:15} {line.what}" for line in lines]
    for name in dtypes:
        kept = device_bytes(configs, DTYPES[name], size)
        lines_of_text.append(
            f"{name}: weights {_gb(kept.weights)}, a job's conditioning {_gb(kept.conditioning)}, "
            f"a garment {_gb(kept.garment)} a step, {_gb(steps * kept.garment)} for all"
        )
    return "\n".join(lines_of_text)


def _gb(count: int) -> str:
    return f"{count / GIGA:.3g} GB"
