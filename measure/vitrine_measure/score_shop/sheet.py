"""A contact sheet of the shop's generator: pictures of unseen prompts, each above the drawn truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PIL import Image
from vitrine.sheet import Cell, contact_sheet
from vitrine_world import shop

from vitrine_measure.score_shop.pictures import as_bytes, drawn

COLUMNS, ROWS = 6, 2
SIDE = 192
"""Side of a picture on the sheet in px."""


def write_sheet(checkpoint: Path, seed: int, path: Path) -> None:
    """Write a PNG with COLUMNS × ROWS pictures of a seed's first samples. Raises BadCheckpoint.

    The true pictures have the layout in which the generator draws.
    """
    from vitrine_export.training.shop.recipe import LAYOUT

    samples = [replace(shop.sample(seed, index), layout=LAYOUT) for index in range(COLUMNS * ROWS)]
    prompts = tuple(shop.prompt(made.facts) for made in samples)
    made = [
        Cell(Image.fromarray(one), "drawn by the networks") for one in as_bytes(drawn(checkpoint, prompts))
    ]
    true = [Cell(Image.fromarray(shop.draw(one).picture), _short(one.facts)) for one in samples]
    lines = [
        cells[start : start + COLUMNS] for start in range(0, len(samples), COLUMNS) for cells in (made, true)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(lines, cell=(SIDE, SIDE)).save(path)


def _short(facts: shop.Facts) -> str:
    return f"truth: {facts.colour} {facts.kind}, {facts.trade}"
