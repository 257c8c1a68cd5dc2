"""`vitrine-export flops`: the work to denoise a picture at the released size, and the effect of each saving.

Counted on meta tensors, without weights: matrix products and convolutions, 2 FLOP per multiply-add.
"""

import argparse
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from vitrine_export.job_inputs import LATENT_FACTOR, PROMPT_TOKENS
from vitrine_export.nets.build import build_garment, build_tryon
from vitrine_export.nets.released import GARMENT, TRYON
from vitrine_export.nets.tryon_unet import Conditioning
from vitrine_export.nets.widths import TIME_IDS, widths
from vitrine_export.sizes import SIZE_STEP

Result = TypeVar("Result")
TERA = 1e12


@dataclass(frozen=True)
class Line:
    """One row of the table: the FLOP of denoising a picture with this saving and all above it."""

    name: str
    flop: float
    what: str


@dataclass(frozen=True)
class Parts:
    """FLOP of the parts of one step for one picture, and of what a job computes `once`."""

    garment_released: float  # all that the released code executes
    garment: float  # up to the last norm1
    garment_kv: float  # TryonNet's keys and values of the features
    tryon_released: float  # queries for the garment's tokens too
    tryon: float  # queries for the person's tokens only
    fast: float  # everything that the latents do not change given
    once: float


Configs = tuple[Mapping[str, Any], Mapping[str, Any]]
"""The configs of TryonNet and GarmentNet: unet/config.json and unet_encoder/config.json."""

RELEASED: Configs = (TRYON, GARMENT)


def count_parts(width: int, height: int, guidance: float, configs: Configs = RELEASED) -> Parts:
    """Count each part for a picture of width × height pixels.

    Raises ValueError for a size that the UNets cannot halve twice.
    """
    for name, size in (("width", width), ("height", height)):
        if size < SIZE_STEP or size % SIZE_STEP:
            raise ValueError(f"{name} must be a positive multiple of {SIZE_STEP}, got {size}")
    with torch.device("meta"), torch.no_grad():
        latents = height // LATENT_FACTOR, width // LATENT_FACTOR
        return _Picture(latents, 2 if guidance > 1 else 1, configs).parts()


class _Picture:
    """The nets and one picture's inputs; requires "meta" as default device."""

    def __init__(self, size: tuple[int, int], halves: int, configs: Configs) -> None:
        self.tryon, self.garment = build_tryon(configs[0]), build_garment(configs[1])
        self.size, self.halves, self.widths = size, halves, widths(self.tryon)
        self.channels = self.tryon.unet.config.in_channels

    def parts(self) -> Parts:
        """Count the parts; the halves of the joint form cost the same, so one row is counted twice."""
        prompt, latents, timestep = self._text(1), self._latents(self.widths.latents), torch.empty(1)
        garment, features = _count(lambda: self.garment(latents, timestep, prompt))
        garment_kv_flop, garment_kv = _count(lambda: self.tryon.garment_kv(features))
        once, conditioning = _count(self._conditioning)
        return Parts(
            garment_released=_count(lambda: self.garment.released(latents, timestep, prompt))[0],
            garment=garment,
            garment_kv=garment_kv_flop,
            tryon_released=self.halves * _count(lambda: self._joint(features, "all"))[0],
            tryon=self.halves * _count(lambda: self._joint(features, "person"))[0],
            fast=_count(lambda: self.tryon.predict(latents, timestep, conditioning, garment_kv))[0],
            once=once,
        )

    def _latents(self, channels: int) -> Tensor:
        return torch.empty(1, channels, *self.size)

    def _text(self, *rows: int) -> Tensor:
        return torch.empty(*rows, PROMPT_TOKENS, self.widths.context)

    def _image(self, *rows: int) -> Tensor:
        return torch.empty(*rows, self.widths.image_tokens, self.widths.context)

    def _joint(self, features: list[Tensor], queries: str) -> Tensor:
        sample, timestep = self._latents(self.channels), torch.empty(1)
        context = self._text(1), self._image(1)
        added = torch.empty(1, self.widths.pooled), torch.empty(1, TIME_IDS)
        return self.tryon(sample, timestep, *context, *added, features, queries=queries)

    def _conditioning(self) -> Conditioning:
        fixed = self._latents(self.channels - self.widths.latents)
        context = self._text(1, self.halves), self._image(1, self.halves)
        pooled = torch.empty(1, self.halves, self.widths.pooled)
        return self.tryon.conditioning(fixed, *context, pooled, torch.empty(1, TIME_IDS))


def table(width: int, height: int, steps: int, guidance: float, configs: Configs = RELEASED) -> list[Line]:
    """Return the work of the released computation, then with each exact saving added in turn.

    Raises ValueError for steps below 1 and sizes that `count_parts` refuses.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}")
    part = count_parts(width, height, guidance, configs)
    given = part.garment + part.garment_kv
    return [
        Line(
            "released", steps * (part.garment_released + part.tryon_released), "as the released code does it"
        ),
        Line(
            "person_queries", steps * (part.garment_released + part.tryon), "queries for person tokens only"
        ),
        Line("early_exit", steps * (part.garment + part.tryon), "GarmentNet stops at its last norm1"),
        Line("closed_form", steps * (given + part.fast + part.once), "zero garment tokens in closed form"),
        Line("exact", steps * (given + part.fast) + part.once, "text, image, fixed channels once a job"),
        Line("exact_cached", steps * part.fast + part.once, "garment keys and values from the cache"),
    ]


@dataclass(frozen=True)
class Family:
    """A family's counting function, and its released size and guidance."""

    module: str
    width: int
    height: int
    steps: int
    guidance: float


FAMILIES = {
    "idm-vton": Family("vitrine_measure.flops", 768, 1024, 30, 2.0),
    "fashn": Family("vitrine_measure.flops_fashn", 576, 864, 30, 1.5),
    "z-image": Family("vitrine_measure.flops_z_image", 1024, 1024, 8, 0.0),
    "flux": Family("vitrine_measure.flops_flux", 1024, 1024, 28, 3.5),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--family", choices=FAMILIES, default="idm-vton", help="family of networks (default idm-vton)"
    )
    parser.add_argument("--width", type=int, help="picture size in pixels (default: the family's)")
    parser.add_argument("--height", type=int, help="picture size in pixels (default: the family's)")
    parser.add_argument("--steps", type=int, help="denoising steps (default: the family's)")
    parser.add_argument(
        "--guidance", type=float, help="guidance scale, 1 or less for none (default: the family's)"
    )
    parser.add_argument("--words", type=int, help="z-image, flux: tokens of the caption (default 64, 512)")
    parser.add_argument("--json", action="store_true", help="print one JSON object: TFLOP by name")


def run(args: argparse.Namespace) -> int:
    """Print the table and return 0."""
    family = FAMILIES[args.family]
    width, height = args.width or family.width, args.height or family.height
    guidance = family.guidance if args.guidance is None else args.guidance
    count_table = importlib.import_module(family.module).table
    steps = family.steps if args.steps is None else args.steps
    words = {} if args.words is None else {"words": args.words}
    if words and "words" not in inspect.signature(count_table).parameters:
        raise argparse.ArgumentTypeError(f"--words does not go with --family {args.family}")
    lines = count_table(width, height, steps, guidance, **words)
    size = f"{width}x{height}"
    if args.json:
        figures = {line.name: round(line.flop / TERA, 3) for line in lines}
        print(json.dumps({"size": size, "steps": steps, "guidance": guidance, **figures}))
        return 0
    print(f"TFLOP of denoising, {size}, {steps} steps, guidance {guidance:g}")
    for line in lines:
        print(f"{line.flop / TERA:9.2f}  {line.name:15} {line.what}")
    return 0


def _count(call: Callable[[], Result]) -> tuple[float, Result]:
    """Return the FLOP of a call, and its result."""
    with FlopCounterMode(display=False) as counter:
        result = call()
    return float(counter.get_total_flops()), result
