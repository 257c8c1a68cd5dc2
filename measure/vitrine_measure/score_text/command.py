"""`vitrine-export score-text`: texts on scenes of the paper shop, measured and read back by tesseract."""

from __future__ import annotations

import argparse
import json

from vitrine.errors import BadRequest

HELP = """set lines of four languages on scenes of the paper shop, and measure the pictures

covered: texts that stand on the product or change a pixel of it (share of texts). contrast: texts whose
letters have a contrast of at least 4.5 with 95 % of the pixels around them, measured from the finished
picture. tofu: characters drawn as the font's sign for a missing glyph. read: characters that tesseract
reads back, of texts at least 24 px high. vitrine: the usual way; html: the same texts in horizontal
templates, in turn. Beside them the same texts as Pillow sets them by itself: its own wrapping, white, centred
at the top; and every line on white, which is what the reader can reach. ms: to place and paint one text, one
after the other. The exit code is 1 where a figure of ours misses its gate."""
EXAMPLES = """examples:
  vitrine-export score-text --seed 5 --count 40
  vitrine-export score-text --seed 5 --count 200 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--seed", type=int, default=1, help="names the scenes and the texts (default 1)")
    parser.add_argument("--count", type=int, default=40, help="scenes, one text on each (default 40)")
    parser.add_argument("--json", action="store_true", help="print JSON alone")


def run(args: argparse.Namespace) -> int:
    """Score and print; return 0 if every gate is kept. Raises Unavailable where fonts or tesseract lack."""
    from vitrine_measure.score_text.reading import check_reader
    from vitrine_measure.score_text.rows import GATES, missed, table
    from vitrine_measure.score_text.samples import (
        samples,
        set_as_html,
        set_by_pillow,
        set_by_us,
        set_on_white,
        setters,
    )

    if args.count < 1:
        raise BadRequest(f"count must be at least 1, got {args.count}")
    check_reader()
    cases = samples(args.seed, args.count)
    try:
        ways = {"vitrine": set_by_us, "html": set_as_html, "pillow": set_by_pillow}
        for way in ways.values():
            way(cases[0])  # fonts are read and processes started
        made = [{name: way(one) for name, way in ways.items()} for one in cases]  # in turn, for the times
        rows = {name: table([one[name] for one in made]) for name in ways}
        rows["on white"] = table(set_on_white())
    finally:
        setters().close()
    lines = [f"{name}: {line}" for name in ("vitrine", "html") for line in missed(rows[name])]
    if args.json:
        print(json.dumps({"seed": args.seed, "count": args.count, **rows, "missed": lines}, indent=1))
        return 1 if lines else 0
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    print(f"{'':22}" + "".join(f"{name:>12}" for name in rows) + f"{'gate':>12}")
    for name in names:
        shown = (f"{row[name]:12.4f}" if name in row else f"{'–':>12}" for row in rows.values())
        gate = GATES.get(name)
        print(f"{name:22}" + "".join(shown) + (f"{gate[0]:>4}{gate[1]:8.2f}" if gate else ""))
    print("\n".join(lines) or "every figure keeps its gate")
    return 1 if lines else 0
