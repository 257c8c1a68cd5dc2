"""`vitrine-export score-compose`: compositions of the paper shop's products against the drawn truth."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_orchestrator.composition.compose import Composition, composed
from vitrine_orchestrator.composition.products import product_of
from vitrine_orchestrator.composition.settings import Placement, Settings, ShadowKind
from vitrine_orchestrator.pictures import Picture
from vitrine_world import shop

HELP = """score compositions on drawn shop samples

Each sample's product is put into its empty scene; nothing is told but the two pictures.
shadow away: how often the shadow falls on the side away from the light that was drawn.
pixels: how often every opaque pixel of the product is exactly that of the scaled product.
horizon: how often the far edge of the table is found within 2 % of the picture's height.
standing: how often the product stands on the table, inside of the picture.
The exit code is 1 where a figure misses its gate."""
EXAMPLES = """examples:
  vitrine-export score-compose --seed 5 --count 256
  vitrine-export score-compose --seed 6 --count 1 --sheet build/compositions.png
"""

SIDE = 256
STYLES = ("plain", "night")
"""The styles whose light has a side; a drawing in ink has none but its shadows."""
SHEET_SHADOWS: tuple[ShadowKind, ...] = ("cast", "contact", "floating")
NEAR = 0.02
"""Of the picture's height."""
GATES = {"shadow away": 0.95, "pixels": 1.0, "horizon": 0.95, "standing": 1.0}
"""The least of each figure."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--seed", type=int, default=1, help="names the world of samples (default 1)")
    parser.add_argument("--count", type=int, default=64, help="samples (default 64)")
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="also write a sheet of compositions")


def run(args: argparse.Namespace) -> int:
    """Score and print; return 0 if every figure keeps its gate."""
    if args.count < 1:
        raise BadRequest(f"count must be at least 1, got {args.count}")
    figures = score(range(args.count), args.seed)
    if args.sheet:
        args.sheet.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet(args.seed)).save(args.sheet)
    missed = [name for name, least in GATES.items() if figures[name] < least]
    if args.json:
        print(json.dumps({"seed": args.seed, "count": args.count, **figures, "missed": missed}, indent=1))
    else:
        for name, value in figures.items():
            print(f"{name:12} {value:.4f}  (at least {GATES[name]:g})")
    return 1 if missed else 0


def score(indices: Sequence[int], seed: int) -> Mapping[str, float]:
    """Return the share of samples that keep each rule; styles take turns."""
    rows = [_score_one(shop.sample(seed, i), STYLES[i % len(STYLES)]) for i in indices]
    return {name: float(np.mean([row[name] for row in rows])) for name in GATES}


def _score_one(made: shop.Sample, style: str) -> Mapping[str, bool]:
    drawn = shop.draw(made, SIDE, style)
    product = product_of(drawn.cut_out[..., :3], drawn.alpha, "product")
    result = composed(drawn.scene, [product], Settings())
    away = shop.shadow_direction(made.facts)[0]
    true_horizon = 1 - made.layout.horizon / 100
    horizon = result.ground.horizon
    return {
        "shadow away": shadow_side(result) * away > 0,
        "pixels": untouched(result),
        "horizon": horizon is not None and abs(horizon - true_horizon) <= NEAR,
        "standing": stands(result, true_horizon),
    }


def sheet(seed: int, rows: int = 4) -> Picture:
    """Return a row for each sample: scene, product, its shadows cast, contact, floating, and two products.

    The second product is the next sample's; heights are 12 and 9 cm.
    """
    lines = []
    for index in range(rows):
        drawn, other = (shop.draw(shop.sample(seed, i), SIDE) for i in (index, index + rows))
        one, two = (product_of(each.cut_out[..., :3], each.alpha, "product") for each in (drawn, other))
        pair = Settings(placements=(Placement(height_cm=12), Placement(height_cm=9)))
        made = [composed(drawn.scene, [one], Settings(shadow=kind)) for kind in SHEET_SHADOWS]
        made.append(composed(drawn.scene, [one, two], pair))
        lines.append(np.concatenate([drawn.scene, drawn.product, *(each.picture for each in made)], axis=1))
    return np.concatenate(lines)


def shadow_side(result: Composition) -> float:
    """Return how far right of the first product's middle that of the seen shadow is, in pixels."""
    seen = np.where(result.alpha < 255, result.shadow, 0).astype(np.float64)
    one = result.placed[0]
    if not seen.any():
        return 0.0
    middle = float((seen.sum(axis=0) * np.arange(seen.shape[1])).sum() / seen.sum())
    return middle - (one.left + (one.product.width - 1) / 2)


def untouched(result: Composition) -> bool:
    """Return whether every opaque pixel of the nearest product is the product's own."""
    one = result.placed[-1]
    scene, own = one.inside(*result.alpha.shape)
    opaque = one.product.alpha[own] == 255
    return bool((result.picture[scene][opaque] == one.product.colours[own][opaque]).all())


def stands(result: Composition, horizon: float) -> bool:
    """Return whether all products stand below a horizon, whole inside of the picture."""
    height, width = result.alpha.shape
    return all(
        horizon * height < one.base <= height and one.top >= 0 and one.left >= 0 and one.right <= width
        for one in result.placed
    )
