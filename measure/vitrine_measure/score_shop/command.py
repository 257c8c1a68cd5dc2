"""`vitrine-export score-shop`: the paper shop's networks against the drawn truth."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vitrine.errors import BadRequest

HELP = """score the paper shop's networks on samples that they were never trained on

checker on true pictures: how often each attribute is read right (the checker judges what a
generator makes, so its own accuracy comes first). cut-out: mean absolute error of alpha, and
intersection over union of the masks, mean over the samples. vae: mean absolute error of pictures
after it, as a share of the range. generator: how often the checker reads from a drawn picture what
its prompt asked for. clip: how often it picks the right prompt of 8, seven of which are wrong in one
fact (two in the kind, two in the colour, two in the trade, one in the light), for drawings and for
what the generator makes. styles: how often the checker reads a style from what the generator draws
with its LoRA, and without it.
A checkpoint without vae/, transformer/, clip/ or loras/ is not scored by these.
With --url a running server draws and cuts out as well: it should serve the checkpoint's networks.
The exit code is 1 where a figure misses its gate."""
EXAMPLES = r"""examples:
  vitrine-export score-shop --seed 5
  vitrine-export score-shop --seed 5 --count 256 --json
  vitrine-export score-shop --seed 5 --sheet build/shop.png   # what it draws, above the true pictures

over the wire, with the shop's networks in a repository of their own:
  vitrine-export onnx --checkpoint checkpoints/paper-shop --out build/shop
  vitrine-export cut-out --network paper-shop --file checkpoints/paper-shop/cut_out/u2net.onnx \
      --out build/shop
  vitrine serve --repository build/shop
  vitrine-export score-shop --seed 5 --url localhost:8001
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--seed", type=int, default=1, help="names the world of samples (default 1)")
    parser.add_argument("--count", type=int, default=64, help="samples (default 64)")
    parser.add_argument(
        "--checkpoint", type=Path, default=Path("checkpoints/paper-shop"), help="folder of the networks"
    )
    parser.add_argument("--url", help="gRPC address of a server to score too")
    parser.add_argument(
        "--sheet", type=Path, help="PNG to write: pictures of the generator, each above the truth"
    )
    parser.add_argument("--json", action="store_true", help="print JSON alone")


def run(args: argparse.Namespace) -> int:
    """Score and print; return 0 if every figure is within its limit. Raises BadRequest, BadCheckpoint."""
    from vitrine_export.training.shop.recipe import SEED

    from vitrine_measure.score_shop.rows import ROWS
    from vitrine_measure.score_shop.wire import served_rows

    if args.seed == SEED:
        raise BadRequest(f"seed must not be the training's, {SEED}: its samples are not unseen")
    if args.count < 1:
        raise BadRequest(f"count must be at least 1, got {args.count}")
    rows = [row for row in ROWS if row.asked(args.checkpoint)]
    rows += served_rows(args.url) if args.url else ()
    scores = {row.name: row.score(args.checkpoint, row.samples(args.seed, args.count)) for row in rows}
    if args.sheet:
        from vitrine_measure.score_shop.sheet import write_sheet

        write_sheet(args.checkpoint, args.seed, args.sheet)
        print(f"contact sheet: {args.sheet}", file=sys.stderr)
    missed = [line for row in rows for line in row.missed(scores[row.name])]
    if args.json:
        print(json.dumps({"seed": args.seed, "count": args.count, **scores, "missed": missed}, indent=1))
    else:
        for name, figures in scores.items():
            print(f"{name:28}" + "".join(f"  {figure} {value:.4f}" for figure, value in figures.items()))
        print("\n".join(missed) or "every figure keeps its gate")
    return 1 if missed else 0
