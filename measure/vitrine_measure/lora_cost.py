"""`vitrine-export lora-cost`: what an adapter by row adds to a step, counted and measured in one run."""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from vitrine.errors import BadRequest
from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.checkpoint.ads import AdCheckpoint, open_ads
from vitrine_export.job_inputs import LATENT_FACTOR
from vitrine_export.nets import flux, z_image
from vitrine_export.nets.dit.lora_rows import RowLora

from vitrine_measure.flops_z_image import adapters, counted

HELP = "count and time one step of a checkpoint's transformer, with and without an adapter in every row"
EXAMPLES = """\
examples:
  vitrine-export lora-cost --checkpoint checkpoints/paper-shop
  vitrine-export lora-cost --checkpoint Z-Image-Turbo --rows 1 --rank 16 64 --runs 3

Both steps are run in torch in turns, in float32, and the median of the runs counts. What is counted are
matrix products, 2 FLOP per multiply-add. An adapter adds two small products to each of the net's linears,
bound by calls and memory: expect more time than FLOP. For released sizes alone: `vitrine-export flops`."""

GIGA = 1e9
Net = z_image.ZImageNet | flux.FluxNet
CHANNELS = 16  # of the latents of both families


@dataclass(frozen=True)
class Cost:
    """One step of some rows: GFLOP and milliseconds, without and with adapters of a rank."""

    rows: int
    rank: int
    gflop: float
    gflop_lora: float
    ms: float
    ms_lora: float

    @property
    def more_work(self) -> float:
        """The counted extra work in %."""
        return 100.0 * (self.gflop_lora / self.gflop - 1.0)

    @property
    def more_time(self) -> float:
        """The measured extra time in %."""
        return 100.0 * (self.ms_lora / self.ms - 1.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("checkpoints/paper-shop"), help="folder of Z-Image or FLUX.1"
    )
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 4], help="rows of a step (default: 1 4)")
    parser.add_argument(
        "--rank", nargs="+", type=int, default=[LORA_RANK], help=f"ranks (default: {LORA_RANK}, a slot's)"
    )
    parser.add_argument("--words", type=int, default=32, help="tokens of the caption (default 32)")
    parser.add_argument("--runs", type=int, default=15, help="timed runs of each (default 15)")
    parser.add_argument("--json", action="store_true", help="print JSON alone")


def run(args: argparse.Namespace) -> int:
    """Print a line for each number of rows and rank; return 0. Raises BadRequest, BadCheckpoint."""
    for name in ("rows", "rank", "words", "runs"):
        given = getattr(args, name)
        if min(given if isinstance(given, list) else [given]) < 1:
            raise BadRequest(f"{name} must be 1 or more, got {given}")
    checkpoint = open_ads(args.checkpoint)
    net = checkpoint.load("transformer").eval()
    assert isinstance(net, Net)
    pairs = itertools.product(args.rows, args.rank)
    costs = [cost(checkpoint, net, *pair, args.words, args.runs) for pair in pairs]
    if args.json:
        told = [asdict(one) | {"more_work": one.more_work, "more_time": one.more_time} for one in costs]
        print(json.dumps(told))
        return 0
    size = f"{checkpoint.settings.width}x{checkpoint.settings.height}"
    threads = torch.get_num_threads()
    print(f"{checkpoint.family}, {size}, one step in float32, threads {threads}, runs {args.runs}")
    for one in costs:
        work = f"{one.gflop:9.2f} → {one.gflop_lora:9.2f} GFLOP (+{one.more_work:.2f} %)"
        spent = f"{one.ms:8.1f} → {one.ms_lora:8.1f} ms ({one.more_time:+.1f} %)"
        print(f"rows {one.rows:2}  rank {one.rank:3}  counted {work}  measured {spent}")
    return 0


@torch.no_grad()
def cost(checkpoint: AdCheckpoint, net: Net, rows: int, rank: int, words: int, runs: int) -> Cost:
    """Count and time a step of `rows` rows of the checkpoint's picture size."""
    draw = torch.Generator().manual_seed(rows)
    sides = checkpoint.settings.height // LATENT_FACTOR, checkpoint.settings.width // LATENT_FACTOR
    latents = [torch.randn(CHANNELS, *sides, generator=draw) for _ in range(rows)]
    inputs = _INPUTS[checkpoint.family](net, latents, words, draw)
    _, empty = adapters(net.sites, rows, rank)
    lora = RowLora(*(0.05 * torch.randn(part.shape, generator=draw) for part in (empty.down, empty.up)))
    steps = [lambda: net(*inputs), lambda: net(*inputs, lora=lora)]
    work = [counted(step) / GIGA for step in steps]  # the first calls also warm up
    spent: list[list[float]] = [[], []]
    for _ in range(runs):
        for times, step in zip(spent, steps, strict=True):
            started = time.perf_counter()
            step()
            times.append(1000.0 * (time.perf_counter() - started))
    return Cost(rows, rank, *work, *(statistics.median(times) for times in spent))


def _z_image(net: Any, latents: list[Tensor], words: int, draw: torch.Generator) -> tuple[Tensor, ...]:
    captions = [torch.randn(words, net.config.cap_feat_dim, generator=draw) for _ in latents]
    return (*z_image.rows_of(latents, captions).tensors, torch.full((len(latents),), 0.5))


def _flux(net: Any, latents: list[Tensor], words: int, draw: torch.Generator) -> tuple[Tensor, ...]:
    texts = [torch.randn(words, net.config.joint_attention_dim, generator=draw) for _ in latents]
    pooled = torch.randn(len(latents), net.config.pooled_projection_dim, generator=draw)
    half = torch.full((len(latents),), 0.5)
    guidance = (half,) if net.config.guidance_embeds else ()
    return (*flux.rows_of(latents, texts, pooled).tensors, half, *guidance)


_INPUTS: Mapping[str, Callable[[Any, list[Tensor], int, torch.Generator], tuple[Tensor, ...]]] = {
    "z-image": _z_image,
    "flux": _flux,
}
"""The inputs of a step by family."""
