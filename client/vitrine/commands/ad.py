"""`vitrine ad`: photographs of products and a sentence in, advertisements out."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from vitrine.ads import Ad, AdOptions, ProductAd
from vitrine.client import Vitrine
from vitrine.commands.connection import add_connection, open_client
from vitrine.commands.following import followed, has_streams
from vitrine.commands.pictures_out import FORMATS, ad_sheet, save, save_image, unique_stems

HELP = "make an advertisement of a product: cut out, in a scene, with shadow and text"
EXAMPLES = """\
examples:
  a sentence, one product, one text
    vitrine ad "따뜻한 라떼, 카페 신메뉴" --product cup.png --text "신메뉴 4,500원" -o ad.png
  one scene for many products: an ad for each, and a contact sheet
    vitrine ad "봄 꽃집" --product tulip.jpg --product rose.jpg --each -o spring.png --sheet
  one design in several sizes: ad-1x1.png and ad-9x16.png
    vitrine ad "카페 신메뉴" --product cup.png --sizes 1:1 9:16 --text "신메뉴" -o ad.png
  into a photograph of your own, without shadow
    vitrine ad --product cup.png --scene counter.jpg --shadow none -o ad.png
  exactly here: middle at 70 %, standing at 85 %, 40 % high
    vitrine ad --product cup.png --scene counter.jpg --at 0.7 0.85 0.4 -o ad.png"""

SHADOWS = ("cast", "contact", "floating", "none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("sentence", nargs="?", metavar="SENTENCE", help="what is advertised, in one sentence")
    parser.add_argument(
        "--product",
        type=Path,
        action="append",
        required=True,
        metavar="PHOTO",
        help="a photograph or a cut-out; may be repeated",
    )
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="OUT", help=f"picture file: {', '.join(FORMATS)}"
    )
    parser.add_argument("--each", action="store_true", help="one ad for each product, all in the same scene")
    parser.add_argument("--sheet", action="store_true", help="also write OUT-sheet with all ads")
    parser.add_argument("--origin", type=Path, metavar="FILE", help="also write the ad without its text")
    _scene_arguments(parser)
    parser.add_argument(
        "--text", action="append", default=[], metavar="TEXT", help="on the picture; may be repeated"
    )
    _composition_arguments(parser)
    parser.add_argument("--seed", type=int, help="the same seed gives the same scene (default: random)")
    parser.add_argument("--steps", type=int, help="denoising steps, 1 to 100 (default: the checkpoint's)")
    parser.add_argument("--model", help="z-image or flux, where a server has both (default: its first)")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    add_connection(parser)
    parser.set_defaults(release=None)


def _scene_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scene", type=Path, metavar="PHOTO", help="a picture instead of a drawn scene")
    parser.add_argument("--prompt", metavar="WORDS", help="a prompt to draw from, instead of SENTENCE")
    parser.add_argument("--trade", help="with SENTENCE: cafe, florist, …")
    parser.add_argument("--style", help="with SENTENCE: realistic, anime, …")
    parser.add_argument("--theme", help="with SENTENCE: spring, …")
    parser.add_argument(
        "--sizes", nargs="+", metavar="W:H", help="sizes by name; a layout for each (default: the usual one)"
    )


def _composition_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shadow", choices=SHADOWS, help="of the products (default: cast)")
    parser.add_argument(
        "--match", type=float, metavar="SHARE", help="move colours towards the scene's, 0 to 1 (default: 0)"
    )
    parser.add_argument(
        "--at",
        type=float,
        nargs=3,
        action="append",
        default=[],
        metavar=("X", "Y", "SCALE"),
        help="middle, base line and height of a product, in shares of the picture; once for each",
    )
    parser.add_argument(
        "--enlarge", type=int, metavar="TIMES", help="enlarge the drawn scene, 1 to 8 (default: 1)"
    )
    parser.add_argument(
        "--harmonise", type=float, metavar="STRENGTH", help="redraw all but the product, 0 to 0.25"
    )


def run(args: argparse.Namespace) -> int:
    """Make and write the ads; return 0. Raises VitrineError."""
    check(args)
    started = time.monotonic()
    with open_client(args) as vitrine:
        made = _made(vitrine, _options(args), args)
    names = _names(args, made)
    paths = [_named(args.out, name) for name in names]
    for path, ad in zip(paths, made.ads, strict=True):
        save(ad.encoded, path)
    if args.origin:
        for name, ad in zip(names, made.ads, strict=True):
            save(ad.encoded_origin, _named(args.origin, name))
    if args.sheet:
        paths.append(_named(args.out, "sheet"))
        save_image(ad_sheet(made.ads, names), paths[-1])
    if args.json:
        told = {"seconds": round(time.monotonic() - started, 3), "files": list(map(str, paths))}
        print(json.dumps(told | {"report": dict(made.report)}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(map(str, paths)))
    return 0


def check(args: argparse.Namespace) -> None:
    """Refuse arguments that exclude each other, before any request."""
    for name, path in (("OUT", args.out), ("FILE", args.origin)):
        if path and path.suffix.lower() not in FORMATS:
            raise argparse.ArgumentTypeError(f"{name} must end in {', '.join(FORMATS)}, got {str(path)!r}")
    if args.origin and args.origin.suffix.lower() != args.out.suffix.lower():
        raise argparse.ArgumentTypeError("FILE must end as OUT does: both are of one format")
    shown = 1 if args.each else len(args.product)
    if args.at and len(args.at) != shown:
        raise argparse.ArgumentTypeError(
            f"--at must be given once for each of {shown} products of an ad, got {len(args.at)}"
        )
    if not (args.sentence or args.prompt or args.scene):
        raise argparse.ArgumentTypeError("SENTENCE, --prompt or --scene must say where the product stands")


def _options(args: argparse.Namespace) -> AdOptions:
    """Return the command line as options of the client."""
    placements = [{"x": x, "y": y, "scale": scale} for x, y, scale in args.at]
    settings = {"shadow": args.shadow, "match": args.match, "placements": placements or None}
    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    return {
        "product": args.product,
        "each": args.each,
        "scene": args.scene,
        "prompt": args.prompt,
        "sentence": args.sentence,
        "trade": args.trade,
        "style": args.style,
        "theme": args.theme,
        "sizes": args.sizes,
        "settings": given or None,  # type: ignore[typeddict-item]
        "enlarge": args.enlarge,
        "harmonise": args.harmonise,
        "texts": args.text or None,
        "seed": args.seed,
        "steps": args.steps,
        "model": args.model,
        "format": FORMATS[args.out.suffix.lower()],
    }


def _made(vitrine: Vitrine, options: AdOptions, args: argparse.Namespace) -> ProductAd:
    """Return the ads; over gRPC, a progress bar names the stage that works."""
    if not has_streams(args):
        return vitrine.product_ad(**options)
    return followed(vitrine.product_ad_stream(**options), args, unit="step", named=True)


def _names(args: argparse.Namespace, made: ProductAd) -> list[str]:
    """Return what tells an ad from the others: its product, its size, both, or nothing for the only one."""
    stems = unique_stems(args.product)
    several = len({ad.size for ad in made.ads}) > 1
    return [_name(ad, stems if args.each and len(stems) > 1 else None, several) for ad in made.ads]


def _name(ad: Ad, stems: list[str] | None, several: bool) -> str:
    parts = [stems[ad.products[0]]] if stems else []
    return "-".join([*parts, ad.size.replace(":", "x")] if several else parts)


def _named(path: Path, name: str) -> Path:
    return path.with_name(f"{path.stem}-{name}{path.suffix}") if name else path
