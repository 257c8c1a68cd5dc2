"""`vitrine-export dolls`: writes samples of paper dolls as PNG and JSON files."""

import argparse
import json
import shlex
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm
from vitrine_orchestrator.person.labels import CATEGORIES, Category
from vitrine_orchestrator.person.mask import inpainting_mask

from vitrine_world.dolls.figure import keypoints
from vitrine_world.dolls.person import Person
from vitrine_world.dolls.render import SIZE, Size, draw_garment, draw_person, labels, parts
from vitrine_world.dolls.render import Image as Picture
from vitrine_world.dolls.sampling import Sample, sample

SHEET_SAMPLES = 24
"""Number of samples on the contact sheet, from the first on."""

SHEET_COLUMNS = 4

LABEL_COLOURS = np.random.default_rng(18).integers(40, 255, (25, 3), dtype=np.uint8)
LABEL_COLOURS[0] = 0
"""Palette (25, 3) of label pictures, whose pixel values are the labels."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--seed", type=int, default=0, help="seed of the samples (default 0)")
    parser.add_argument("--count", type=_at_least_one, default=24, help="number of samples (default 24)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; created if missing")
    parser.add_argument("--category", choices=CATEGORIES, help="only samples of this category")
    parser.add_argument(
        "--width", type=_at_least_one, default=SIZE[0], help=f"picture width in px (default {SIZE[0]})"
    )
    parser.add_argument(
        "--height", type=_at_least_one, default=SIZE[1], help=f"picture height in px (default {SIZE[1]})"
    )


def run(args: argparse.Namespace) -> int:
    """Write each sample into a folder, and `sheet.png`; return 0."""
    size = (args.width, args.height)
    rows = []
    for index in tqdm(range(args.count), unit="sample", desc=str(args.out)):
        made = sample(args.seed, index, args.category)
        row = write_sample(made, args.out / f"{index:05d}", size)
        rows += [row] if index < SHEET_SAMPLES else []
    Image.fromarray(contact_sheet(rows)).save(args.out / "sheet.png")
    print(f"sheet: {args.out / 'sheet.png'}\ntry one on (vitrine serve must run):\n  {example(args)}")
    return 0


def example(args: argparse.Namespace) -> str:
    """Return a shell command that tries the first garment on the first person."""
    folder, garment = args.out / f"{0:05d}", sample(args.seed, 0, args.category).garment
    words = ["vitrine", "try-on", str(folder / "person.png"), str(folder / "garment.png")]
    words += ["--category", garment.category, "--description", garment.description, "-o", "look.png"]
    return shlex.join(words)


def write_sample(made: Sample, folder: Path, size: Size) -> Picture:
    """Write one sample's files; return person, garment and target side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "person": draw_person(made.person, size),
        "garment": draw_garment(made.garment, size),
        "target": draw_person(made.target, size),
    }
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    _palette_picture(labels(made.person, size)).save(folder / "labels.png")
    _palette_picture(parts(made.person, size)).save(folder / "parts.png")
    for category in CATEGORIES:
        mask(made.person, category, size).save(folder / f"mask_{category}.png")
    (folder / "sample.json").write_text(json.dumps(facts(made, size), indent=2) + "\n")
    return np.concatenate(list(pictures.values()), axis=1)


def mask(person: Person, category: Category, size: Size) -> Image.Image:
    """Return the inpainting mask of a category as an "L" picture: 255 repaint, 0 keep."""
    drawn = inpainting_mask(labels(person, size), keypoints(person), category, rule="hd")
    return Image.fromarray(drawn).resize(size, Image.Resampling.NEAREST)


def facts(made: Sample, size: Size) -> dict[str, object]:
    """Return the content of sample.json; keypoints are [x, y, visible] with x and y in px."""
    return {
        "category": made.category,
        "description": made.garment.description,
        "garment": asdict(made.garment),
        "worn": [asdict(garment) for garment in made.person.worn],
        "size": list(size),
        "keypoints": np.round(keypoints(made.person) * (*size, 1.0), 3).tolist(),
    }


def contact_sheet(rows: list[Picture]) -> Picture:
    """Return pictures (height, width, 3) of one size in a grid of SHEET_COLUMNS columns, gaps white."""
    gap = np.full_like(rows[0], 255)
    filled = rows + [gap] * (-len(rows) % SHEET_COLUMNS)
    lines = [filled[start : start + SHEET_COLUMNS] for start in range(0, len(filled), SHEET_COLUMNS)]
    return np.concatenate([np.concatenate(line, axis=1) for line in lines])


def _palette_picture(values: Picture) -> Image.Image:
    """Return a palette picture whose pixel values are the labels."""
    picture = Image.fromarray(values).convert("P")
    picture.putdata(values.ravel().tolist())
    picture.putpalette(LABEL_COLOURS.tobytes())
    return picture


def _at_least_one(text: str) -> int:
    """Read a whole number from 1 on; raises ArgumentTypeError for a smaller one."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number
