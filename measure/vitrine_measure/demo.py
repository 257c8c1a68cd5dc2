"""`make demo`: try-ons and advertisements by a real Triton server, each shown on a contact sheet.

Run as `python -m vitrine_measure.demo`; it starts the embedded Triton, calls it, and stops it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm
from vitrine import Vitrine, VitrineError
from vitrine.sheet import Cell, wardrobe_sheet
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_world import dolls

from vitrine_measure.demo_ads import ORDERS, ads_sheet

WORLD = 2026
"""The seed of the demo's dolls, which are not in the training data."""

GARMENT_SAMPLES: tuple[tuple[int, dolls.Category], ...] = (
    (1, "upper_body"),
    (3, "upper_body"),
    (12, "upper_body"),
    (2, "lower_body"),
    (5, "lower_body"),
)
PEOPLE = 3


def main() -> int:
    """Run the demo; return 0 when both contact sheets are written."""
    parser = argparse.ArgumentParser(prog="python -m vitrine_measure.demo", description=__doc__)
    parser.add_argument(
        "--repository", type=Path, default=Path("model_repository"), help="exported model repository"
    )
    parser.add_argument("--out", type=Path, default=Path("build/demo"), help="folder of the pictures")
    parser.add_argument("--steps", type=int, default=20, help="denoising steps of a try-on (default 20)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        with (
            EmbeddedTriton(args.repository, log=args.out / "triton.log") as triton,
            Vitrine(triton.grpc) as vitrine,
        ):
            sheet, seconds = _sheet(vitrine, args.steps, args.out)
            started = time.monotonic()
            ads, ad_seconds = ads_sheet(vitrine), time.monotonic() - started
    except VitrineError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    path, ads_path = args.out / "contact-sheet.png", args.out / "ads.png"
    sheet.save(path)
    ads.save(ads_path)
    tries = PEOPLE * len(GARMENT_SAMPLES)
    print(f"{tries} try-ons in {seconds:.1f} s ({args.steps} steps each)\ncontact sheet: {path}")
    print(
        f"{len(ORDERS)} advertisements in {ad_seconds:.1f} s, one after the other\ncontact sheet: {ads_path}"
    )
    return 0


def _sheet(vitrine: Vitrine, steps: int, out: Path) -> tuple[Image.Image, float]:
    people = [dolls.sample(WORLD, index, "upper_body").person for index in range(PEOPLE)]
    garments = [dolls.sample(WORLD, index, category).garment for index, category in GARMENT_SAMPLES]
    flat = [Image.fromarray(dolls.draw_garment(garment)) for garment in garments]
    results: list[list[Cell]] = []
    start = time.monotonic()
    bar = tqdm(total=len(people) * len(garments), desc="try-on", unit="picture")
    for number, person in enumerate(people):
        drawn = Image.fromarray(dolls.draw_person(person))
        drawn.save(out / f"person-{number}.png")
        results.append(_row(vitrine, drawn, garments, flat, steps, bar))
    bar.close()
    seconds = time.monotonic() - start
    named = [Cell(picture, garment.description) for picture, garment in zip(flat, garments, strict=True)]
    shown = [Cell(Image.fromarray(dolls.draw_person(person))) for person in people]
    return wardrobe_sheet(shown, named, results), seconds


def _row(
    vitrine: Vitrine,
    person: Image.Image,
    garments: list[dolls.Garment],
    flat: list[Image.Image],
    steps: int,
    bar: tqdm,
) -> list[Cell]:
    """Put one person into every garment; raises the first error."""
    cells = [Cell()] * len(garments)
    fittings = vitrine.try_on_many(
        person=person,
        garments=[np.asarray(picture) for picture in flat],
        category=[garment.category for garment in garments],
        description=[garment.description for garment in garments],
        seed=7,
        steps=steps,
    )
    for fitting in fittings:
        cells[fitting.index] = Cell(fitting.get().image)
        bar.update()
    return cells


if __name__ == "__main__":
    sys.exit(main())
