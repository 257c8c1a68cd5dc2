"""`vitrine text`: a picture and texts in, the picture with the texts on it out."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from vitrine.commands.connection import add_connection, open_client
from vitrine.commands.pictures_out import FORMATS, save
from vitrine.texts import Text

HELP = "set text on a picture, where it covers nothing and can be read"
EXAMPLES = """\
examples:
  the best free place, the largest size that fits, a colour that stands out
    vitrine text cake.png "신메뉴 4,500원" -o ad.png
  keep it off the product: the mask that vitrine cut-out wrote
    vitrine text cake.png "신메뉴 4,500원" --keep-clear cake-alpha.png -o ad.png
  two texts by hand
    vitrine text cake.png "오늘의 케이크" "~6/30" --anchor top --anchor bottom-right -o ad.png
  every field of docs/text.md, as JSON
    vitrine text cake.png '{"text": "新作", "vertical": true, "outline": true}' -o ad.png"""

FIELDS: dict[str, dict[str, Any]] = {
    "anchor": {"help": 'top-left, top, … bottom-right; "auto" finds the best free place (the default)'},
    "size": {"type": int, "help": "the largest size, in pixels"},
    "colour": {"help": "#rrggbb or a name (default: white or black)"},
    "font": {"help": "sans, serif, round, or a family's name"},
    "weight": {"choices": ("regular", "bold"), "help": "how heavy (default: bold)"},
    "language": {"help": "ko, ja, zh-Hans, zh-Hant, zh-HK or en (default: guessed)"},
    "contrast": {"choices": ("auto", "scrim", "outline", "off"), "help": "what may be added to read it"},
}
"""Options that set a field of the texts: given once for all texts, or once for each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="the picture to write on")
    parser.add_argument(
        "texts", nargs="+", metavar="TEXT", help="a text, or a JSON object that begins with {"
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help=f"picture file: {', '.join(FORMATS)}"
    )
    parser.add_argument(
        "--keep-clear", type=Path, metavar="MASK", help="what texts must not cover: alpha, or white in grey"
    )
    for field, options in FIELDS.items():
        parser.add_argument(f"--{field}", action="append", default=[], **options)
    parser.add_argument("--vertical", action="store_true", help="write from top to bottom")
    parser.add_argument("--json", action="store_true", help="print the server's report as one JSON object")
    add_connection(parser)
    parser.set_defaults(release=None)


def run(args: argparse.Namespace) -> int:
    """Write the picture; return 0. Raises VitrineError, for example where a text has no free place."""
    if args.out.suffix.lower() not in FORMATS:
        raise argparse.ArgumentTypeError(f"OUT must end in {', '.join(FORMATS)}, got {str(args.out)!r}")
    texts = _texts(args)
    with open_client(args) as vitrine:
        result = vitrine.text_overlay(
            args.picture, texts, keep_clear=args.keep_clear, format=FORMATS[args.out.suffix.lower()]
        )
    save(result.encoded, args.out)
    print(json.dumps(dict(result.report), indent=2, ensure_ascii=False) if args.json else args.out)
    return 0


def _texts(args: argparse.Namespace) -> list[Text]:
    """Return the texts with their fields."""
    texts = [_text(one) | ({"vertical": True} if args.vertical else {}) for one in args.texts]
    for field in FIELDS:
        values = getattr(args, field)
        if len(values) not in (0, 1, len(texts)):
            raise argparse.ArgumentTypeError(
                f"--{field} must be given once, or once for each of {len(texts)} texts, got {len(values)}"
            )
        for index, text in enumerate(texts if values else []):
            text[field] = values[index if len(values) > 1 else 0]
    return texts  # type: ignore[return-value]


def _text(word: str) -> dict[str, Any]:
    if not word.lstrip().startswith("{"):
        return {"text": word}
    try:
        return json.loads(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"a text that begins with {{ must be JSON: {error}") from None
