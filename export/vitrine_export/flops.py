"""`vitrine-export flops`: what denoising a picture costs at the released size, and what each saving saves.

Counted on meta tensors (no weights, no arithmetic): matrix products and convolutions, 2 FLOP a multiply-add.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vitrine_export.nets.attention import Capturing
from vitrine_export.nets.build import build_garment, build_tryon
from vitrine_export.nets.garment_unet import GarmentNet
from vitrine_export.nets.released import (
    GARMENT,
    IMAGE_TOKENS,
    LATENT_CHANNELS,
    LATENT_FACTOR,
    POOLED_WIDTH,
    PROMPT_TOKENS,
    TRYON,
)
from vitrine_export.nets.tryon_unet import Conditioning
from vitrine_export.nets.walk import Step, steps_of, traverse

Result = TypeVar("Result")
TERA = 1e12
SIZE_STEP = 32  # pixels: the VAE's 8 times the UNets' two halvings


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


def count_parts(width: int, height: int, guidance: float) -> Parts:
    """Count each part for a picture of width × height pixels.

    Raises ValueError for a size that the UNets cannot halve twice.
    """
    for name, size in (("width", width), ("height", height)):
        if size < SIZE_STEP or size % SIZE_STEP:
            raise ValueError(f"{name} must be a positive multiple of {SIZE_STEP}, got {size}")
    with torch.device("meta"), torch.no_grad():
        return _Picture(height // LATENT_FACTOR, width // LATENT_FACTOR, 2 if guidance > 1 else 1).parts()


class _Picture:
    """The nets and one picture's inputs; only for use where "meta" is the default device."""

    def __init__(self, height: int, width: int, halves: int) -> None:
        self.tryon, self.garment = build_tryon(TRYON), build_garment(GARMENT)
        self.size, self.halves, self.context = (height, width), halves, TRYON["cross_attention_dim"]

    def parts(self) -> Parts:
        """Rows cost the same, so the halves of the joint form are one row counted twice."""
        prompt, latents, timestep = self._text(1), self._latents(LATENT_CHANNELS), torch.empty(1)
        garment, features = _count(lambda: self.garment(latents, timestep, prompt))
        garment_kv_flop, garment_kv = _count(lambda: self.tryon.garment_kv(features))
        once, conditioning = _count(self._conditioning)
        return Parts(
            garment_released=_count(self._released_garment)[0],
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
        return torch.empty(*rows, PROMPT_TOKENS, self.context)

    def _image(self, *rows: int) -> Tensor:
        return torch.empty(*rows, IMAGE_TOKENS, self.context)

    def _released_garment(self) -> Tensor:
        unet = self.garment.unet
        embedding = torch.empty(1, unet.time_embedding.linear_2.out_features)
        hidden = unet.conv_in(self._latents(LATENT_CHANNELS))
        return traverse(released_garment_steps(self.garment), hidden, embedding, Capturing(self._text(1)))

    def _joint(self, features: list[Tensor], queries: str) -> Tensor:
        sample, timestep = self._latents(TRYON["in_channels"]), torch.empty(1)
        context, added = (self._text(1), self._image(1)), (torch.empty(1, POOLED_WIDTH), torch.empty(1, 6))
        return self.tryon(sample, timestep, *context, *added, features, queries=queries)

    def _conditioning(self) -> Conditioning:
        fixed = self._latents(TRYON["in_channels"] - LATENT_CHANNELS)
        context = self._text(1, self.halves), self._image(1, self.halves)
        pooled = torch.empty(1, self.halves, POOLED_WIDTH)
        return self.tryon.conditioning(fixed, *context, pooled, torch.empty(1, 6))


def released_garment_steps(garment: GarmentNet) -> tuple[Step, ...]:
    """What the released code executes: all but the trailing up block without attention."""
    steps = steps_of(garment.unet)
    last = max(index for index, step in enumerate(steps) if step.sites)
    upsampler = steps[last + 1 : last + 2]
    return steps[: last + 1] + tuple(step for step in upsampler if step.kind == "up")


def table(width: int, height: int, steps: int, guidance: float) -> list[Line]:
    """The released computation of one picture, then each exact saving on top of those before it.

    Raises ValueError for steps below 1 and sizes that `count_parts` refuses.
    """
    if steps < 1:
        raise ValueError(f"steps must be 1 or more, got {steps}")
    part = count_parts(width, height, guidance)
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--width", type=int, default=768, help="pixels (default 768)")
    parser.add_argument("--height", type=int, default=1024, help="pixels (default 1024)")
    parser.add_argument("--steps", type=int, default=30, help="denoising steps (default 30)")
    parser.add_argument(
        "--guidance", type=float, default=2.0, help="guidance scale, 1 or less for none (default 2)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object: TFLOP by name")


def run(args: argparse.Namespace) -> int:
    """Print the table; the exit status is 0."""
    lines = table(args.width, args.height, args.steps, args.guidance)
    size = f"{args.width}x{args.height}"
    if args.json:
        figures = {line.name: round(line.flop / TERA, 3) for line in lines}
        print(json.dumps({"size": size, "steps": args.steps, "guidance": args.guidance, **figures}))
        return 0
    print(f"TFLOP of denoising, {size}, {args.steps} steps, guidance {args.guidance:g}")
    for line in lines:
        print(f"{line.flop / TERA:9.2f}  {line.name:15} {line.what}")
    return 0


def _count(call: Callable[[], Result]) -> tuple[float, Result]:
    """FLOP of a call, and its result."""
    with FlopCounterMode(display=False) as counter:
        result = call()
    return float(counter.get_total_flops()), result
