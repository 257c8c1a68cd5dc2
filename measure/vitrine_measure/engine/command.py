"""`vitrine-export engine-speed`: compares the torch engine at real size with plain computation."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm
from vitrine.errors import BadRequest, one_line
from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.device import DTYPES, device_of
from vitrine_export.sizes import picture_size

from vitrine_measure.engine.counted import counted
from vitrine_measure.engine.measure import matmul_rate, timed
from vitrine_measure.engine.report import Report, Row, row
from vitrine_measure.engine.subject import GUIDANCE, Source, jobs
from vitrine_measure.engine.variants import LADDER, PLAIN, Variant, variant
from vitrine_measure.flops import TERA, table

HELP = "time the torch engine at the released size with random weights, each saving against plain computation"
EXAMPLES = """\
examples:
  vitrine-export engine-speed                       everything on cuda:0; without a GPU, what can be counted
  vitrine-export engine-speed --dtype bf16 --concurrent 1 8 --variants exact cached cached+compile+graphs
  vitrine-export engine-speed --device cpu --checkpoint checkpoints/paper-doll --dtype fp32 --steps 4

Variants, each on top of those before it: plain (the released computation), person_queries, early_exit,
closed_form, exact, cached (the forms of `vitrine-export flops`), each with +compile (torch.compile) and then
+graphs (CUDA graphs) if wanted. plain and the first two run as released, the others in the torch engine as it
serves; latents pass through the host in every step. All jobs wear one garment, which is computed for each of
them, and for none in cached. A variant's latents are compared with plain's. One that runs out of memory costs
its own row only. Writes JSON into --out; exit code 1 when a variant failed otherwise. Not run on CUDA yet."""

OUT_OF_MEMORY = "out of memory"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--device", help="cpu or cuda:N (default: cuda:0; without a GPU nothing is run)")
    parser.add_argument(
        "--dtype", nargs="+", choices=DTYPES, default=["bf16", "fp16"], help="precisions (default: bf16 fp16)"
    )
    parser.add_argument(
        "--size",
        type=picture_size,
        metavar="WxH",
        help="picture size in pixels (default: the checkpoint's, or 768x1024)",
    )
    parser.add_argument("--steps", type=_count, default=30, help="denoising steps (default 30)")
    parser.add_argument(
        "--concurrent",
        nargs="+",
        type=_count,
        metavar="N",
        default=[1, 2, 4, 8],
        help="numbers of concurrent jobs (default: 1 2 4 8)",
    )
    parser.add_argument(
        "--variants",
        nargs="+",
        type=variant,
        metavar="VARIANT",
        default=list(LADDER),
        help="variants in addition to plain, which always runs (default: all forms, then compile and graphs)",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        help="checkpoint whose nets are used instead of random ones of the released size",
    )
    parser.add_argument(
        "--runs", type=_count, default=3, help="measured runs after a warm-up; the median counts (default 3)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/engine-speed.json"), help="JSON file to write"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print, save; return 1 if a variant failed. Raises BadRequest, Unavailable, BadCheckpoint."""
    source = Source(open_checkpoint(args.checkpoint) if args.checkpoint else None)
    width, height = size = args.size or source.size
    lines = table(width, height, args.steps, GUIDANCE, source.configs)
    if args.device is None and not torch.cuda.is_available():
        print(counted(lines, source.configs, args.dtype, size, args.steps))
        print(f"nothing was run: torch sees no CUDA device. On a machine with one:\n  {_words(args, size)}")
        return 0
    device = device_of(args.device or "cuda:0")
    variants = _runnable(args.variants, device)
    flop = {line.name: line.flop for line in lines}
    plan = Measurement(source, size, args.steps, args.runs, variants, args.concurrent, flop)
    options = {"size": size, "steps": args.steps, "guidance": GUIDANCE, "random": source.checkpoint is None}
    report = Report(options, device)
    with tqdm(total=len(args.dtype) * len(args.concurrent) * len(variants), unit="variant") as bar:
        for dtype in args.dtype:
            for found in measured(plan, dtype, report):
                report.rows.append(found)
                report.save(args.out)
                bar.set_description(f"{found.dtype}, {found.at_once} at once, {found.variant}")
                bar.update()
    print(f"{report.table()}\nwritten: {args.out}")
    return int(any(found.ended not in ("", OUT_OF_MEMORY) for found in report.rows))


def _runnable(chosen: list[Variant], device: torch.device) -> tuple[Variant, ...]:
    """Return plain and the requested variants; on the CPU the default list omits CUDA graphs."""
    if device.type != "cuda" and chosen != list(LADDER) and any("graphs" in one.ways for one in chosen):
        raise BadRequest("+graphs needs a CUDA device")
    there = (one for one in chosen if device.type == "cuda" or "graphs" not in one.ways)
    return tuple(dict.fromkeys([PLAIN, *there]))


def _words(args: argparse.Namespace, size: tuple[int, int]) -> str:
    """Return the command line that repeats this measurement."""
    words = ["vitrine-export", "engine-speed", "--device", "cuda:0", "--dtype", *args.dtype]
    words += ["--size", f"{size[0]}x{size[1]}", "--steps", str(args.steps)]
    words += ["--concurrent", *map(str, args.concurrent)]
    if args.variants != list(LADDER):
        words += ["--variants", *(one.name for one in args.variants)]
    if args.checkpoint:
        words += ["--checkpoint", str(args.checkpoint)]
    return shlex.join(words)


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text}: must be a whole number from 1")
    return int(text)


@dataclass(frozen=True)
class Measurement:
    """The measurement of every dtype."""

    source: Source
    size: tuple[int, int]
    steps: int
    runs: int
    variants: tuple[Variant, ...]
    concurrent: list[int]
    flop: dict[str, float]  # per picture, by the line of a form


def measured(plan: Measurement, dtype: str, report: Report) -> Iterator[Row]:
    """Yield a row for each number of jobs and variant when it is measured."""
    pair, schedule = plan.source.pair(DTYPES[dtype], report.device), plan.source.schedule(plan.steps)
    report.rates[dtype] = rate = matmul_rate(DTYPES[dtype], report.device)
    reference: np.ndarray | None = None
    for at_once in plan.concurrent:
        given = jobs(pair, at_once, plan.size)
        for one in plan.variants:
            name, flop = (dtype, at_once, one.name), plan.flop[one.form.line]
            try:
                found = timed(one, pair, given, schedule, plan.runs)
            except torch.OutOfMemoryError:
                yield Row(*name, flop / TERA, ended=OUT_OF_MEMORY)
            except RuntimeError as error:  # for example, a missing compiler or a failed capture
                yield Row(*name, flop / TERA, ended=one_line(error)[:80])
            else:
                reference = found.latents if one == PLAIN else reference
                yield row(name, flop, found, rate, reference)
