"""`vitrine try-on`: a person and garments in, pictures out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar, cast

from PIL import Image
from tqdm import tqdm

from vitrine.answers import Fitting
from vitrine.client import Vitrine
from vitrine.commands.connection import add_connection, open_client
from vitrine.commands.following import followed, quiet
from vitrine.commands.pictures_out import (
    FORMATS,
    fitting_sheet,
    image_file,
    read_once,
    save,
    save_image,
    unique_stems,
)
from vitrine.errors import VitrineError, one_line
from vitrine.inputs import TryOnOptions
from vitrine.many import options_for_each
from vitrine.pictures import Picture

HELP = "put a person into garments: one picture for each garment, or one of a whole outfit"
EXAMPLES = """\
examples:
  one garment, one picture
    vitrine try-on me.jpg coat.jpg -o me-in-coat.png
  a better description and a fixed seed make a better and a repeatable picture
    vitrine try-on me.jpg tee.jpg -o out.png --description "striped short sleeve tee" --seed 7
  several garments: a folder of pictures, or one contact sheet
    vitrine try-on me.jpg coat.jpg tee.jpg -o looks/
    vitrine try-on me.jpg coat.jpg tee.jpg --sheet -o sheet.png
  trousers, skirts and dresses say what they are
    vitrine try-on me.jpg jeans.jpg -o out.png --category lower_body
  top and bottom worn together
    vitrine try-on me.jpg tee.jpg jeans.jpg --outfit --category upper_body --category lower_body -o look.png
  for scripts
    vitrine try-on me.jpg coat.jpg -o out.png --json | jq .results[0].seed"""

Value = TypeVar("Value")
CATEGORIES = ("upper_body", "lower_body", "dresses")
WORN_AS = (
    "worn as upper_body: say --category lower_body for trousers and skirts, --category dresses for dresses"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("person", type=Path, metavar="PERSON", help="a picture of one person")
    parser.add_argument("garments", type=Path, nargs="+", metavar="GARMENT", help="a picture of a garment")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help="picture file; a folder for several"
    )
    parser.add_argument(
        "--outfit", action="store_true", help="put all garments on the person together, in one picture"
    )
    parser.add_argument("--sheet", action="store_true", help="write one contact sheet instead of a folder")
    parser.add_argument(
        "--category",
        action="append",
        choices=CATEGORIES,
        help="category, once for all garments or once for each (default: upper_body)",
    )
    parser.add_argument(
        "--description", action="append", help="description in words, once for all garments or once for each"
    )
    parser.add_argument("--steps", type=int, help="denoising steps, 1 to 100 (default: the checkpoint's)")
    parser.add_argument("--seed", type=int, help="the same seed gives the same picture (default: random)")
    parser.add_argument("--guidance", type=float, help="guidance scale (default: the checkpoint's)")
    parser.add_argument(
        "--no-paste-back",
        action="store_true",
        help="take the whole picture from the network instead of only the part inside the mask",
    )
    parser.add_argument(
        "--mask",
        type=Path,
        action="append",
        help="your own mask: white is painted, black stays; one for all garments, or one for each",
    )
    parser.add_argument(
        "--person-index", type=int, metavar="N", help="person among several: 0 is the largest, 1 the next, …"
    )
    parser.add_argument(
        "--person-point",
        type=int,
        nargs=2,
        metavar=("X", "Y"),
        help="the person at this pixel instead of an index",
    )
    parser.add_argument(
        "--crop", choices=("fit", "crop", "squash"), help="how a picture of another shape is fitted"
    )
    parser.add_argument("--model", help="idm_vton or fashn, where a server has several (default: its first)")
    parser.add_argument(
        "--garment-photo",
        choices=("auto", "flat-lay", "model"),
        help="whether somebody wears the garment in its picture (default: looked for; fashn only)",
    )
    parser.add_argument(
        "--release", type=int, metavar="N", help="number of the release to use (default: the newest)"
    )
    parser.add_argument(
        "--at-once", type=int, default=4, metavar="N", help="concurrent requests (default: 4)"
    )
    parser.add_argument(
        "--stream", action="store_true", help="show every step, one garment after the other (gRPC only)"
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    add_connection(parser)


def run(args: argparse.Namespace) -> int:
    """Compute the pictures; return 1 and print a line for each failure if one failed."""
    check(args)
    started = time.monotonic()
    pictures = read_once([args.person, *args.garments, *(args.mask or ())])
    paths = _paths(args)
    if args.sheet:  # what could not be drawn or written is refused before the work
        waiting = [Fitting(0, pictures[one], None) for one in args.garments]
        image_file(_sheet(args, pictures, waiting), args.out)
    fittings = []
    with open_client(args) as vitrine:
        for fitting in _fittings(vitrine, args, pictures):
            if fitting.result is not None and not args.sheet:
                save(fitting.result.encoded, paths[fitting.index])
            fittings.append(fitting)
    fittings.sort(key=lambda fitting: fitting.index)
    if args.sheet and any(fitting.result for fitting in fittings):
        save_image(_sheet(args, pictures, fittings), args.out)
    return _told(fittings, args, paths, time.monotonic() - started)


def _sheet(
    args: argparse.Namespace, pictures: Mapping[Path, Picture], fittings: list[Fitting]
) -> Image.Image:
    """Draw the contact sheet; places without a result stay empty."""
    return fitting_sheet(pictures[args.person], fittings, unique_stems(args.garments))


def _told(fittings: list[Fitting], args: argparse.Namespace, paths: list[Path], seconds: float) -> int:
    """Print what was made and what failed; return the exit code."""
    results = [_as_json(one, args.garments[one.index], paths[one.index]) for one in fittings]
    if args.json:
        print(json.dumps({"seconds": round(seconds, 3), "results": results}, indent=2))
    else:
        for path in dict.fromkeys(one["file"] for one in results if one["file"]):
            print(path)
        if not args.category and any(one["file"] for one in results):
            print(WORN_AS, file=sys.stderr)
    failed = [one for one in results if one["error"]]
    for one in failed:
        print(f"vitrine try-on: {one['garment']}: {one['error']}", file=sys.stderr)
    return 1 if failed else 0


def check(args: argparse.Namespace) -> None:
    """Refuse arguments that exclude each other, before any request."""
    count = len(args.garments)
    if args.sheet and args.outfit:
        raise argparse.ArgumentTypeError("--sheet and --outfit exclude each other: an outfit is one picture")
    folder = _is_folder(args)
    if not folder and args.out.suffix.lower() not in FORMATS:
        raise argparse.ArgumentTypeError(f"OUT must end in {', '.join(FORMATS)}, got {str(args.out)!r}")
    if folder and not args.out.is_dir() and (args.out.exists() or args.out.suffix.lower() in FORMATS):
        raise argparse.ArgumentTypeError(
            f"OUT must be a folder for {count} garments, and {args.out} is a file: --sheet writes one picture"
        )
    for name in ("category", "description", "mask"):
        count_given = len(getattr(args, name) or ())
        allowed = {0, count} if args.outfit else {0, 1, count}
        if count_given not in allowed:
            raise argparse.ArgumentTypeError(
                f"--{name} must be given for each of {count} garments, got {count_given}"
            )


def _is_folder(args: argparse.Namespace) -> bool:
    """Whether OUT is a folder of pictures."""
    return len(args.garments) > 1 and not args.sheet and not args.outfit


def _fittings(
    vitrine: Vitrine, args: argparse.Namespace, pictures: Mapping[Path, Picture]
) -> Iterator[Fitting]:
    """Yield each result when it is done, with a progress bar on a terminal."""
    options, garments = _options(args, pictures), [pictures[path] for path in args.garments]
    if args.outfit:
        yield _one(vitrine, args, 0, options | {"garment": garments})
    elif args.stream or len(args.garments) == 1:
        for index, one in enumerate(options_for_each(garments, options)):
            yield _one(vitrine, args, index, cast(TryOnOptions, one))
    else:
        many = vitrine.try_on_many(garments=garments, at_once=args.at_once, **options)
        with closing(many), tqdm(total=len(garments), unit="garment", disable=quiet(args)) as bar:
            for fitting in many:
                bar.update()
                yield fitting


def _one(vitrine: Vitrine, args: argparse.Namespace, index: int, options: TryOnOptions) -> Fitting:
    garment = args.garments[index] if args.outfit else cast(Picture, options["garment"])
    try:
        result = (
            followed(vitrine.try_on_stream(**options), args, unit="step")
            if args.stream
            else vitrine.try_on(**options)
        )
    except VitrineError as error:
        return Fitting(index, garment, None, error)
    return Fitting(index, garment, result)


def _options(args: argparse.Namespace, pictures: Mapping[Path, Picture]) -> TryOnOptions:
    """Return the command line as options of the client."""
    one_picture = not args.sheet and not _is_folder(args)
    masks = [pictures[path] for path in args.mask or ()]
    options: TryOnOptions = {
        "person": pictures[args.person],
        "category": _spread(args.category),
        "description": _spread(args.description),
        "steps": args.steps,
        "seed": args.seed,
        "guidance": args.guidance,
        "paste_back": False if args.no_paste_back else None,
        "mask": _spread(masks or None),
        "person_index": args.person_index,
        "person_point": args.person_point,
        "crop": args.crop,
        "model": args.model,
        "garment_photo_type": _for_each(args.garment_photo, len(args.garments) if args.outfit else 1),
        "format": FORMATS[args.out.suffix.lower()] if one_picture else "png",
    }
    return options


def _for_each(value: str | None, count: int) -> str | list[str] | None:
    """One value for each garment of a picture."""
    return value if value is None or count == 1 else [value] * count


def _spread(values: list[Value] | None) -> Value | list[Value] | None:
    """One value applies to every garment; several are one per garment."""
    return values[0] if values and len(values) == 1 else values


def _paths(args: argparse.Namespace) -> list[Path]:
    """Return the path of each picture; a sheet has one path for all."""
    if args.outfit or len(args.garments) == 1:
        return [args.out]
    if args.sheet:
        return [args.out] * len(args.garments)
    return [args.out / f"{name}.png" for name in unique_stems(args.garments)]


def _as_json(fitting: Fitting, garment: Path, path: Path) -> dict[str, Any]:
    result, error = fitting.result, fitting.error
    return {
        "garment": str(garment),
        "file": None if result is None else str(path),
        "seed": None if result is None else result.seed,
        "versions": {} if result is None else dict(result.report.get("versions", {})),
        "timings": {} if result is None else dict(result.timings),
        "sources": {} if result is None else dict(result.sources),
        "error": None if error is None else f"{error.word}: {one_line(error)}",
    }
