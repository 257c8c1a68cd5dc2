"""`vitrine cut-out`: a photograph in, its product on a transparent ground out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vitrine.commands.connection import add_connection, open_client
from vitrine.commands.pictures_out import FORMATS, save, save_image

HELP = "cut the product out of a photograph: a picture with a transparent ground"
EXAMPLES = """\
examples:
  vitrine cut-out mug.jpg -o mug.png
  where the photograph shows several things, say where the product is
    vitrine cut-out table.jpg -o mug.png --box 120 80 400 420
  the mask alone, beside it
    vitrine cut-out mug.jpg -o mug.png --alpha mug-alpha.png"""

TRANSPARENT = (".png", ".webp")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="a photograph of one product")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="OUT",
        help=f"picture file: {' or '.join(TRANSPARENT)}",
    )
    parser.add_argument("--alpha", type=Path, metavar="FILE", help="also write the mask, in grey")
    parser.add_argument(
        "--box",
        type=int,
        nargs=4,
        metavar=("LEFT", "TOP", "RIGHT", "BOTTOM"),
        help="where the product is, in pixels (default: anywhere)",
    )
    parser.add_argument(
        "--release", type=int, metavar="N", help="number of the release (default: the newest)"
    )
    parser.add_argument("--json", action="store_true", help="print the server's report as one JSON object")
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Write the picture; return 0. Raises VitrineError, for example where there is no product."""
    kind = args.out.suffix.lower()
    if kind not in TRANSPARENT:
        raise argparse.ArgumentTypeError(f"OUT must end in {', '.join(TRANSPARENT)}, got {str(args.out)!r}")
    if args.alpha and args.alpha.suffix.lower() not in FORMATS:
        raise argparse.ArgumentTypeError(f"FILE must end in {', '.join(FORMATS)}, got {str(args.alpha)!r}")
    with open_client(args) as vitrine:
        result = vitrine.cut_out(args.picture, box=args.box, format=FORMATS[kind])
    save(result.encoded, args.out)
    if args.alpha:
        save_image(result.alpha, args.alpha)
    for doubt in result.doubts:
        print(f"look at the cut-out: {doubt}", file=sys.stderr)
    print(json.dumps(dict(result.report), indent=2) if args.json else args.out)
    return 0
