"""`vitrine picture`: a prompt, or a picture and a prompt, to pictures."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from vitrine.answers import Drawn
from vitrine.client import Vitrine
from vitrine.commands.connection import add_connection, open_client
from vitrine.commands.following import followed, has_streams
from vitrine.commands.pictures_out import FORMATS, save
from vitrine.inputs import PictureStreamOptions

HELP = "draw a picture from a sentence, or change a picture as a sentence says"
EXAMPLES = """\
examples:
  a sentence, one picture
    vitrine picture "a red kettle on a wooden table, morning light" -o kettle.png
  a shape by name: 1:1, 4:5, 5:4, 3:4, 4:3, 2:3, 3:2, 9:16, 16:9 or 21:9
    vitrine picture "a red kettle" --ratio 9:16 -o story.png
  several pictures to choose from: kettle-7.png to kettle-10.png, named by their seeds
    vitrine picture "a red kettle" --count 4 --seed 7 -o kettle.png
  the same picture again: the same seed, words and options
    vitrine picture "a red kettle" --seed 9 -o again.png
  change a photo: a low strength changes little of it, 1 keeps nothing
    vitrine picture "the same table at night" --from photo.jpg --strength 0.3 -o night.png
  a style of the server's registry, at half its weight
    vitrine picture "a red kettle" --lora line=0.5 -o drawn.png
  for scripts
    vitrine picture "a red kettle" -o kettle.png --json | jq .pictures[0].seed"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("prompt", metavar="PROMPT", help="what the picture shows, in one sentence")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help=f"picture file: {', '.join(FORMATS)}"
    )
    parser.add_argument("--from", dest="image", type=Path, metavar="PHOTO", help="the picture to change")
    parser.add_argument(
        "--strength", type=float, help="how much of PHOTO is changed, above 0 to 1 (default: 0.6)"
    )
    parser.add_argument("--ratio", metavar="W:H", help="shape by name (default: as usual, or PHOTO's)")
    parser.add_argument(
        "--size", type=_size, metavar="WxH", help="instead of --ratio: pixels, multiples of 16"
    )
    parser.add_argument(
        "--count", type=int, metavar="N", help="pictures, 1 to 8; each has the seed after the one before"
    )
    parser.add_argument("--seed", type=int, help="the same seed gives the same picture (default: random)")
    parser.add_argument("--steps", type=int, help="denoising steps, 1 to 100 (default: the checkpoint's)")
    parser.add_argument(
        "--guidance",
        type=float,
        help="how much the words count, 0 to 20 (default: the checkpoint's)",
    )
    parser.add_argument("--without", metavar="WORDS", help="what it must not show; needs --guidance above 0")
    parser.add_argument(
        "--lora",
        type=_lora,
        action="append",
        default=[],
        metavar="NAME[=WEIGHT]",
        help="an adapter of the server's registry; may be repeated",
    )
    parser.add_argument("--model", help="z-image or flux, where a server has both (default: its first)")
    parser.add_argument(
        "--release", type=int, metavar="N", help="number of the release to use (default: the newest)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Draw and write the pictures."""
    check(args)
    started = time.monotonic()
    with open_client(args) as vitrine:
        drawn = _drawn(vitrine, args)
    paths = _paths(args.out, drawn)
    for path, picture in zip(paths, drawn.pictures, strict=True):
        save(picture.encoded, path)
    if args.json:
        print(json.dumps(_as_json(paths, drawn, time.monotonic() - started), indent=2))
    else:
        print("\n".join(map(str, paths)))
    return 0


def check(args: argparse.Namespace) -> None:
    """Refuse arguments that exclude each other, before any request."""
    if args.out.suffix.lower() not in FORMATS:
        raise argparse.ArgumentTypeError(f"OUT must end in {', '.join(FORMATS)}, got {str(args.out)!r}")
    if args.strength is not None and args.image is None:
        raise argparse.ArgumentTypeError(f"--strength {args.strength:g} needs --from PHOTO")
    if args.ratio and args.size:
        raise argparse.ArgumentTypeError("--ratio and --size exclude each other")


def _drawn(vitrine: Vitrine, args: argparse.Namespace) -> Drawn:
    """Return the pictures; over gRPC, a progress bar shows the steps on a terminal."""
    options = _options(args)
    if not has_streams(args):
        return _without_stream(vitrine, options)
    return followed(vitrine.picture_stream(**options), args, unit="step")


def _without_stream(vitrine: Vitrine, options: PictureStreamOptions) -> Drawn:
    named: dict[str, Any] = dict(options)
    image, strength = named.pop("image"), named.pop("strength")
    if image is None:
        return vitrine.text_to_image(**named)
    return vitrine.image_to_image(image=image, strength=strength, **named)


def _options(args: argparse.Namespace) -> PictureStreamOptions:
    """Return the command line as options of the client."""
    width, height = args.size or (None, None)
    return {
        "prompt": args.prompt,
        "negative_prompt": args.without,
        "width": width,
        "height": height,
        "aspect_ratio": args.ratio,
        "n": args.count,
        "steps": args.steps,
        "seed": args.seed,
        "guidance": args.guidance,
        "lora": dict(args.lora),
        "model": args.model,
        "format": FORMATS[args.out.suffix.lower()],
        "image": args.image,
        "strength": args.strength,
    }


def _paths(out: Path, drawn: Drawn) -> list[Path]:
    """Return the path of each picture: OUT, or with several OUT with the seed before its ending."""
    if len(drawn.pictures) == 1:
        return [out]
    return [out.with_name(f"{out.stem}-{one.seed}{out.suffix}") for one in drawn.pictures]


def _as_json(paths: list[Path], drawn: Drawn, seconds: float) -> dict[str, Any]:
    return {
        "seconds": round(seconds, 3),
        "pictures": [
            {"file": str(path), "seed": picture.seed}
            for path, picture in zip(paths, drawn.pictures, strict=True)
        ],
        "report": dict(drawn.report),
    }


def _size(text: str) -> tuple[int, int]:
    width, x, height = text.lower().partition("x")
    if not (x and width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"a size must be WIDTHxHEIGHT, got {text!r}")
    return int(width), int(height)


def _lora(text: str) -> tuple[str, float]:
    name, equals, weight = text.partition("=")
    try:
        return name, float(weight) if equals else 1.0
    except ValueError:
        raise argparse.ArgumentTypeError(f"a weight must be a number, got {text!r}") from None
