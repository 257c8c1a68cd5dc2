"""`vitrine text`: a picture and texts in, the picture with the texts on it out."""

from __future__ import annotations

import argparse
import json
import re
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
  a ribbon, a tag with two lines, a page of your own (where the server allows it)
    vitrine text cake.png "오늘만 50% 할인" --template ribbon -o ad.png
    vitrine text cake.png "4,500원" --template price-tag --subline "오늘만" --accent orange -o ad.png
    vitrine text cake.png --html banner.html --page 600x200 -o ad.png
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
    "template": {"help": "headline, price-tag, ribbon, caption-bar, card or vertical: set as HTML"},
    "subline": {"help": "a template's second, smaller text"},
    "accent": {"help": "the colour of a template's ground"},
}
"""Options that set a field of the texts: given once for all texts, or once for each."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("picture", type=Path, metavar="PICTURE", help="the picture to write on")
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="a text, or a JSON object that begins with {"
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help=f"picture file: {', '.join(FORMATS)}"
    )
    parser.add_argument(
        "--keep-clear", type=Path, metavar="MASK", help="what texts must not cover: alpha, or white in grey"
    )
    for field, options in FIELDS.items():
        parser.add_argument(f"--{field}", action="append", default=[], **options)
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="a page of your own, where the server allows it"
    )
    parser.add_argument("--page", type=_page, metavar="WxH", help="its size in pixels (default: 600x300)")
    parser.add_argument(
        "--ask-model", action="store_true", help="let the server's vision model propose the places"
    )
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
    """Return the texts with their fields, and the page."""
    if not args.texts and args.html is None:
        raise argparse.ArgumentTypeError("TEXT or --html must be given")
    texts = [_text(one) | ({"vertical": True} if args.vertical else {}) for one in args.texts]
    for field in FIELDS:
        values = getattr(args, field)
        if len(values) not in (0, 1, len(texts)):
            raise argparse.ArgumentTypeError(
                f"--{field} must be given once, or once for each of {len(texts)} texts, got {len(values)}"
            )
        for index, text in enumerate(texts if values else []):
            text[field] = values[index if len(values) > 1 else 0]
    if args.html is not None:
        texts.append({"html": _read(args.html)} | ({"page": args.page} if args.page else {}))
    if args.ask_model:
        texts = [text | {"candidates": "model"} for text in texts]
    return texts  # type: ignore[return-value]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{path} must be a page of UTF-8 text: {error}") from None


def _page(word: str) -> list[int]:
    """Read a size such as 600x300."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", word)
    if found is None:
        raise argparse.ArgumentTypeError(f"must be a width and a height, such as 600x300, got {word!r}")
    return [int(found[1]), int(found[2])]


def _text(word: str) -> dict[str, Any]:
    if not word.lstrip().startswith("{"):
        return {"text": word}
    try:
        return json.loads(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"a text that begins with {{ must be JSON: {error}") from None
