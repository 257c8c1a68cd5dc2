"""`vitrine describe`: the server's fonts, or what a picture offers for texts."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitrine.commands.connection import add_connection, open_client

HELP = "say which fonts there are, and of a picture its colours and free places for text"
EXAMPLES = """\
examples:
  vitrine describe
  vitrine describe cake.png
  where text could stand without covering the product: the mask that vitrine cut-out wrote
    vitrine describe cake.png --keep-clear cake-alpha.png --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "picture", type=Path, nargs="?", metavar="PICTURE", help="a picture (default: the fonts alone)"
    )
    parser.add_argument(
        "--keep-clear", type=Path, metavar="MASK", help="what texts must not cover: alpha, or white in grey"
    )
    parser.add_argument("--json", action="store_true", help="print the server's report as one JSON object")
    add_connection(parser)
    parser.set_defaults(release=None)


def run(args: argparse.Namespace) -> int:
    """Print what is found; return 0. Raises VitrineError."""
    if args.keep_clear is not None and args.picture is None:
        raise argparse.ArgumentTypeError("--keep-clear goes with PICTURE")
    with open_client(args) as vitrine:
        found = vitrine.describe(args.picture, keep_clear=args.keep_clear)
    if args.json:
        print(json.dumps(dict(found.report), indent=2, ensure_ascii=False))
    elif found.picture is None:
        print("\n".join([f"{kind}: {', '.join(names)}" for kind, names in found.kinds.items() if names]))
        print("\n".join(found.families))
    else:
        print(_told(found.picture))
    return 0


def _told(picture: Mapping[str, Any]) -> str:
    """Write the description of a picture."""
    width, height = picture["size"]
    colours = [f"{one['colour']} {one['share']:.0%}" for one in picture["colours"]]
    lines = [f"size      {width} x {height}", f"colours   {', '.join(colours) or 'none'}"]
    lines += [
        f"{one['shape']:9} {one['anchor']}, box {' '.join(f'{side:.2f}' for side in one['box'])}, "
        f"{one['ink']} with contrast {one['contrast_p5']:.1f}"
        for one in picture["places"]
    ]
    return "\n".join(lines if picture["places"] else [*lines, "no free place for text"])
