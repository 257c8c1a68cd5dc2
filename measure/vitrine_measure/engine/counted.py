"""What can be said without a GPU: the work and the bytes, counted on the meta device."""

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
class Held:
    """Bytes on the device: both nets, a job's conditioning, a garment's keys and values at one timestep."""

    weights: int
    conditioning: int
    garment: int


@torch.no_grad()
def held(configs: Configs, dtype: torch.dtype, size: tuple[int, int]) -> Held:
    """Of a pair of nets in `dtype` for pictures of (width, height) pixels."""
    with torch.device("meta"):
        tryon, garment = build_tryon(configs[0]).to(dtype), build_garment(configs[1]).to(dtype)
    weights = sum(p.nbytes for net in (tryon, garment) for p in net.parameters())
    latents = size[1] // LATENT_FACTOR, size[0] // LATENT_FACTOR
    rows = {n.file: n.module(*n.sample(1, latents)) for n in graphs_of(tryon, garment, dtype, False, dtype)}
    made = {file: sum(part.nbytes for part in row) for file, row in rows.items()}
    return Held(weights, made["denoise/1/conditioning.onnx"], made["denoise/1/garment.onnx"])


def counted(
    lines: Sequence[Line], configs: Configs, dtypes: Sequence[str], size: tuple[int, int], steps: int
) -> str:
    """The work of a picture as text, and what is kept on the device for it."""
    told = [f"counted for one picture of {size[0]}x{size[1]}, {steps} steps, guidance {GUIDANCE:g}:"]
    told += [f"{line.flop / TERA:9.4g} TFLOP  {line.name:15} {line.what}" for line in lines]
    for name in dtypes:
        kept = held(configs, DTYPES[name], size)
        told.append(
            f"{name}: weights {_gb(kept.weights)}, a job's conditioning {_gb(kept.conditioning)}, "
            f"a garment {_gb(kept.garment)} a step, {_gb(steps * kept.garment)} for all"
        )
    return "\n".join(told)


def _gb(count: int) -> str:
    return f"{count / GIGA:.3g} GB"
