"""`vitrine-export score`: a checkpoint against the drawn truth, in this process or over the wire as well."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

HELP = "score a checkpoint on paper dolls it has never seen"
EXAMPLES = """examples:
  vitrine-export score --checkpoint checkpoints/paper-doll --seed 5
  vitrine-export score --checkpoint checkpoints/paper-doll --seed 5 --url localhost:8001   # both, side by side
"""
SHEET_ROWS = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder in the released layout")
    parser.add_argument("--seed", type=int, default=1, help="names the world of dolls (default 1)")
    parser.add_argument("--count", type=int, default=64, help="how many dolls, categories in turn (default 64)")
    parser.add_argument("--steps", type=int, default=20, help="denoising steps of a try-on (default 20)")
    parser.add_argument("--guidance", type=float, help="guidance (default: the checkpoint's)")
    parser.add_argument("--brief", action="store_true", help="do not describe the garments: pictures alone")
    parser.add_argument("--url", help="score the server there too (gRPC), and print both")
    parser.add_argument("--out", type=Path, default=Path("build/score"), help="where the contact sheet goes")
    parser.add_argument(
        "--repository",
        type=Path,
        default=Path("build/score/repository"),
        help="where the exported networks are, or are put (default build/score/repository)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON alone")


def run(args: argparse.Namespace) -> int:
    """Score, print the figures, write the contact sheet. 0 when scored, whatever the figures are."""
    sides = {"local": _local(args)}
    if args.url:
        sides["wire"] = _wire(args)
    figures = {side: scored.figures() for side, scored in sides.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    for side, scored in sides.items():
        _write_sheet(scored.rows, args.out / f"sheet-{side}.png")
        print(f"contact sheet: {args.out / f'sheet-{side}.png'}", file=sys.stderr)
    if args.json:
        print(json.dumps(figures["local"] if len(figures) == 1 else figures, indent=1))
    else:
        _print_table(figures)
    return 0


def _local(args: argparse.Namespace):  # noqa: ANN202 - imported late: torch is slow to load
    from vitrine_export.checkpoint import open_checkpoint
    from vitrine_export.exporting.order import Order, work_of
    from vitrine_export.score.local import LocalStages
    from vitrine_export.score.run import score

    work = work_of(Order(open_checkpoint(args.checkpoint), args.repository, cond=True))
    if work.stale:
        from vitrine_export.exporting.carry_out import carry_out  # torch takes seconds to import

        carry_out(work)
    stages = LocalStages(args.repository)
    try:
        return asyncio.run(score(stages, _local_try_on(stages, args), args.seed, args.count))
    finally:
        stages.close()


def _local_try_on(stages, args):  # noqa: ANN001, ANN202
    from vitrine_orchestrator.pipelines.try_on import try_on

    async def attempt(person, made, garment):  # noqa: ANN001, ANN202
        inputs = {
            "person_raw": person,
            "garment_raw": garment,
            "category": np.array([made.category.encode()], object),
            "seed": np.array([7], np.uint64),
            "steps": np.array([args.steps], np.int32),
        }
        if not args.brief:
            inputs["description"] = np.array([made.garment.description.encode()], object)
        if args.guidance is not None:
            inputs["guidance"] = np.array([args.guidance], np.float32)
        outputs = await try_on(stages.context, inputs)
        return _picture(outputs["image"][0]), _picture(outputs["mask"][0]) > 0

    return attempt


def _wire(args: argparse.Namespace):  # noqa: ANN202
    from vitrine_export.score.run import score
    from vitrine_export.score.wire import WireStages

    return asyncio.run(_scored_over_wire(args, WireStages, score))


async def _scored_over_wire(args, stages_of, score):  # noqa: ANN001, ANN202
    from vitrine import AsyncVitrine

    options = {} if args.guidance is None else {"guidance": args.guidance}
    async with AsyncVitrine(args.url) as vitrine:

        async def attempt(person, made, garment):  # noqa: ANN001, ANN202
            description = None if args.brief else made.garment.description
            result = await vitrine.try_on(
                person=person,
                garment=garment,
                category=made.category,
                description=description,
                seed=7,
                steps=args.steps,
                **options,
            )
            return np.asarray(result.image.convert("RGB")), np.asarray(result.mask) > 0

        return await score(stages_of(vitrine), attempt, args.seed, args.count)


def _picture(encoded: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encoded)))


def _write_sheet(rows, path: Path) -> None:  # noqa: ANN001
    """Person, garment, truth, result; three samples a line."""
    strips = [np.concatenate(row, axis=1) for row in rows[:SHEET_ROWS]]
    blank = [np.full_like(strips[0], 255)] * (-len(strips) % 3)
    lines = [np.concatenate(line, axis=1) for line in zip(*[iter([*strips, *blank])] * 3, strict=True)]
    Image.fromarray(np.concatenate(lines)).save(path)


def _print_table(figures: dict[str, dict]) -> None:
    flat = {side: dict(_flat(values)) for side, values in figures.items()}
    print(f"{'':32}" + "".join(f"{side:>10}" for side in flat))
    for name in flat["local"]:
        print(f"{name:32}" + "".join(f"{values[name]:10.4f}" for values in flat.values()))


def _flat(values: dict, prefix: str = ""):  # noqa: ANN202
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
