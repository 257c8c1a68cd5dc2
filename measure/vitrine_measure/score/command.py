"""`vitrine-export score`: scores a checkpoint in this process, and optionally the server that serves it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from vitrine_export.checkpoint.fashn import is_fashn

if TYPE_CHECKING:
    from vitrine_measure.score.run import Options, Score

HELP = "score a checkpoint on paper dolls that are not in its training data"
EXAMPLES = """examples:
  vitrine-export score --checkpoint checkpoints/paper-doll --seed 5
  vitrine-export score --checkpoint checkpoints/paper-doll --seed 5 --url localhost:8001   # and the server
  vitrine-export score --checkpoint checkpoints/paper-doll-fashn --seed 5   # FASHN: try-ons only, in torch
"""
SHEET_ROWS = 12  # samples on a contact sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder in the released layout")
    parser.add_argument("--seed", type=int, default=1, help="seed of the dolls (default 1)")
    parser.add_argument("--count", type=int, default=64, help="dolls, the categories in turn (default 64)")
    parser.add_argument("--steps", type=int, help="denoising steps of a try-on (default: the checkpoint's)")
    parser.add_argument("--guidance", type=float, help="guidance (default: the checkpoint's)")
    parser.add_argument("--brief", action="store_true", help="send no descriptions of the garments")
    parser.add_argument("--url", help="gRPC address of a server to score too")
    parser.add_argument("--out", type=Path, default=Path("build/score"), help="folder of the contact sheet")
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path("build/score/repository"),
        help="model repository of the checkpoint; exported where stale (default build/score/repository)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON alone")


def run(args: argparse.Namespace) -> int:
    """Score, print the figures, write the contact sheets; return 0 whatever the figures are."""
    from vitrine_measure.score.run import Options

    options = Options(args.steps, args.guidance, args.brief)
    sides = {"local": _local(args, options)}
    if args.url:
        sides["wire"] = asyncio.run(_wire(args, options))
    args.out.mkdir(parents=True, exist_ok=True)
    for side, scored in sides.items():
        path = args.out / f"sheet-{side}.png"
        _write_sheet(scored.rows, path)
        print(f"contact sheet: {path}", file=sys.stderr)
    figures = {side: scored.figures() for side, scored in sides.items()}
    if args.json:
        print(json.dumps(figures["local"] if len(figures) == 1 else figures, indent=1))
    else:
        _print_table(figures)
    return 0


def _local(args: argparse.Namespace, options: Options) -> Score:
    return (_fashn if is_fashn(args.checkpoint) else _idm_vton)(args, options)


def _fashn(args: argparse.Namespace, options: Options) -> Score:
    from vitrine_measure.score.fashn import fashn_try_on
    from vitrine_measure.score.run import score

    return asyncio.run(score(None, fashn_try_on(args.checkpoint, options), args.seed, args.count))


def _idm_vton(args: argparse.Namespace, options: Options) -> Score:
    from vitrine_measure.score.local import LocalStages, local_try_on
    from vitrine_measure.score.run import score

    _export(args)
    stages = LocalStages(args.repository)
    try:
        return asyncio.run(score(stages, local_try_on(stages, options), args.seed, args.count))
    finally:
        stages.close()


def _export(args: argparse.Namespace) -> None:
    """Export what is missing from the repository or stale; does nothing if it is up to date."""
    from vitrine_export.checkpoint import open_checkpoint
    from vitrine_export.exporting.command import default_jobs
    from vitrine_export.exporting.order import Order, work_of

    checkpoint = open_checkpoint(args.checkpoint)
    work = work_of(Order(checkpoint, args.repository, cond=True))
    if work.stale:
        from vitrine_export.exporting.run_export import carry_out  # torch takes seconds to import

        with contextlib.redirect_stdout(sys.stderr):
            carry_out(work, default_jobs(checkpoint))


async def _wire(args: argparse.Namespace, options: Options) -> Score:
    from vitrine import AsyncVitrine

    from vitrine_measure.score.run import score
    from vitrine_measure.score.wire import WireStages, wire_try_on

    async with AsyncVitrine(args.url) as vitrine:
        stages = None if is_fashn(args.checkpoint) else WireStages(vitrine)
        return await score(stages, wire_try_on(vitrine, options), args.seed, args.count)


def _write_sheet(rows: Sequence[tuple[np.ndarray, ...]], path: Path) -> None:
    """Write person, garment, true picture and result of each sample, three samples a line."""
    strips = [np.concatenate(row, axis=1) for row in rows[:SHEET_ROWS]]
    blank = [np.full_like(strips[0], 255)] * (-len(strips) % 3)
    lines = [np.concatenate(line, axis=1) for line in zip(*[iter([*strips, *blank])] * 3, strict=True)]
    Image.fromarray(np.concatenate(lines)).save(path)


def _print_table(figures: Mapping[str, Mapping[str, object]]) -> None:
    flat = {side: dict(_flat(values)) for side, values in figures.items()}
    print(f"{'':32}" + "".join(f"{side:>10}" for side in flat))
    for name in flat["local"]:
        print(f"{name:32}" + "".join(f"{values[name]:10.4f}" for values in flat.values()))


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
