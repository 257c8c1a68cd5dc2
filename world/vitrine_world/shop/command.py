"""`vitrine-export shop`: advertisements of the paper shop as files that any tool reads."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from vitrine_world.shop.free_areas import free_areas
from vitrine_world.shop.paint import Pixels
from vitrine_world.shop.products import KINDS
from vitrine_world.shop.prompts import LANGUAGES, prompt
from vitrine_world.shop.render import SIZE, draw
from vitrine_world.shop.sampling import Sample, sample
from vitrine_world.shop.scene import shadow_direction
from vitrine_world.shop.styles import STYLES
from vitrine_world.shop.trades import TRADES

HELP = """draw advertisements of the paper shop with the truth of each

Every sample is a folder 00000, 00001, … that depends on the seed and its number alone:
  picture.png   the advertisement
  scene.png     the same without the product and its shadow
  product.png   the product alone on white
  cut_out.png   the product's own colours with its alpha (RGBA)
  alpha.png     the product's alpha, 255 inside
  shadow.png    the share of light that the product's shadow takes, 255 all of it
  line.png, night.png   the same scene in the two styles of the LoRA files
  sample.json   the prompt in English and Korean, all facts, the light's side, where shadows
                fall, free areas as shares of the picture (left, top, right, bottom)
picture = a · cut_out + (1 − a) · (1 − s) · scene, with a = alpha / 255 and s = shadow / 255.
sheet.png shows every kind and trade once, and one sample with its truth and styles."""
EXAMPLES = """examples:
  vitrine-export shop --seed 7 --count 16 --out build/shop
  vitrine-export shop --seed 7 --count 4 --size 512 --trade bakery --kind "jam jar" --out build/jars
"""

SHEET_COLUMNS = 5
SHEET_SAMPLE = 3
"""Which sample of the sheet is shown again with its truth and styles."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--seed", type=int, default=0, help="names the world (default 0)")
    parser.add_argument("--count", type=_at_least_one, default=16, help="how many samples (default 16)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, made if need be")
    parser.add_argument("--size", type=_at_least_one, default=SIZE, help=f"side in px (default {SIZE})")
    parser.add_argument("--kind", choices=KINDS, help="only products of this kind")
    parser.add_argument("--trade", choices=TRADES, help="only scenes of this trade")


def run(args: argparse.Namespace) -> int:
    """Write a folder for each sample, and `sheet.png`; return 0 when all are written."""
    for index in tqdm(range(args.count), unit="sample", desc=str(args.out)):
        write_sample(sample(args.seed, index, args.kind, args.trade), args.out / f"{index:05d}", args.size)
    sheet = args.out / "sheet.png"
    Image.fromarray(contact_sheet(args.seed, args.size)).save(sheet)
    first = sample(args.seed, 0, args.kind, args.trade)
    print(f"sheet: {sheet}\nthe first: {prompt(first.facts)}")
    return 0


def write_sample(made: Sample, folder: Path, size: int) -> None:
    """Write one sample's files."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw(made, size)
    for name in ("picture", "scene", "product", "cut_out", "alpha", "shadow"):
        Image.fromarray(getattr(drawn, name)).save(folder / f"{name}.png")
    for style in STYLES:
        if style != "plain":
            Image.fromarray(draw(made, size, style).picture).save(folder / f"{style}.png")
    text = json.dumps(truth(made, size), indent=2, ensure_ascii=False)
    (folder / "sample.json").write_text(text + "\n", encoding="utf-8")


def truth(made: Sample, size: int) -> dict[str, object]:
    """Return the contents of sample.json."""
    x, down = shadow_direction(made.facts)
    return {
        "prompt": {language: prompt(made.facts, language) for language in LANGUAGES},
        "facts": asdict(made.facts),
        "layout": asdict(made.layout),
        "size": size,
        "light": {"from": made.facts.light, "shadow_of_one_height": [x, down]},
        "free_areas": [list(area) for area in free_areas(made)],
    }


def contact_sheet(seed: int, size: int) -> Pixels:
    """Return pictures of every kind and trade, SHEET_COLUMNS in a row, then one sample's truth and styles."""
    pairs = zip(KINDS, TRADES, strict=True)
    shown = [sample(seed, number, kind, trade) for number, (kind, trade) in enumerate(pairs)]
    pictures = [draw(made, size).picture for made in shown]
    again = shown[SHEET_SAMPLE]
    drawn = draw(again, size)
    masks = np.maximum(drawn.alpha, drawn.shadow)[..., None].repeat(3, axis=2)
    pictures += [drawn.scene, drawn.product, masks]
    pictures += [draw(again, size, style).picture for style in STYLES if style != "plain"]
    lines = [pictures[start : start + SHEET_COLUMNS] for start in range(0, len(pictures), SHEET_COLUMNS)]
    return np.concatenate([np.concatenate(line, axis=1) for line in lines])


def _at_least_one(text: str) -> int:
    """Return a whole number from 1 up, or raise argparse's error."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number
