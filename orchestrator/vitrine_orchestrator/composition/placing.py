"""Puts products into a scene: where the caller says, or on the scene's ground where little is to be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.composition.free_places import Clutter, clutter_of
from vitrine_orchestrator.composition.ground import Ground
from vitrine_orchestrator.composition.products import Placed, Product, overlap, scaled
from vitrine_orchestrator.composition.seen_scenes import SeenScene
from vitrine_orchestrator.composition.settings import Placement, Settings

GAP = 0.12
"""Between neighbours, as a share of their mean width."""
MOST_ENLARGED = 2.0
"""Found sizes enlarge no product more than this: it would be blurred."""
SQUARE = 0.36
"""The side of a square as large as the box of a product whose size is found, by that of the scene: wide ones
would fill it otherwise."""
PLACES = 48
"""Places along the ground that are tried for products without an x."""
CENTRED = 0.45
"""What the distance from the middle counts against clutter; half the width is 0.5."""
MOST_SIDE = 16_000
"""Pixels that a placed product may be wide or high."""
MOST_AREA = 40_000_000
"""Pixels that it may have, as the pictures that are sent."""


@dataclass(frozen=True, eq=False)
class Scenery:
    """A scene as places see it."""

    scene: SeenScene
    ground: Ground
    settings: Settings

    @property
    def height(self) -> int:
        """In pixels."""
        return self.scene.picture.shape[0]

    @property
    def width(self) -> int:
        """In pixels."""
        return self.scene.picture.shape[1]


def placed(products: Sequence[Product], scenery: Scenery) -> list[Placed]:
    """All products at their places, the farthest first.

    BadRequest for placements that do not fit the products, and for products that cover each other too much.
    """
    asked = _asked(products, scenery.settings.placements)
    sizes = _heights(products, asked, scenery)
    fitted = [scaled(product, height) for product, height in zip(products, sizes, strict=True)]
    given = {index: one.x for index, one in enumerate(asked) if one.x is not None}
    by_hand = [
        _at(index, fitted[index], asked[index], x * scenery.width, scenery) for index, x in given.items()
    ]
    free = [index for index, one in enumerate(asked) if one.x is None]
    found = _in_a_row(free, fitted, asked, by_hand, scenery)
    _check_overlap([*by_hand, *found], scenery)
    return sorted([*by_hand, *found], key=lambda one: (one.order, one.base, one.index))


def _asked(products: Sequence[Product], placements: Sequence[Placement]) -> list[Placement]:
    """A placement for each product."""
    if placements and len(placements) != len(products):
        raise BadRequest(
            f"placements must be one for each of {len(products)} products, or none, got {len(placements)}"
        )
    return list(placements) or [Placement()] * len(products)


def _heights(products: Sequence[Product], asked: Sequence[Placement], scenery: Scenery) -> list[float]:
    """The height of each product in pixels: as asked for, or found for all others together."""
    free = [index for index, one in enumerate(asked) if one.scale is None]
    shares = _proportions([asked[index] for index in free])
    found = dict(zip(free, shares, strict=True))
    factor = _common_factor([(products[i], share, asked[i]) for i, share in found.items()], scenery)
    heights = [
        factor * found[index] if one.scale is None else one.scale * scenery.height
        for index, one in enumerate(asked)
    ]
    for index, (product, height) in enumerate(zip(products, heights, strict=True)):
        check_size(index, height * product.width / product.height, height)
    return heights


def check_size(index: int, width: float, height: float) -> None:
    """BadRequest for a placed product of too many pixels."""
    if max(width, height) > MOST_SIDE:
        raise BadRequest(
            f"placements[{index}].scale must leave the product at most {MOST_SIDE} pixels wide and high, "
            f"got {max(width, height):.0f}"
        )
    if width * height > MOST_AREA:
        raise BadRequest(
            f"placements[{index}].scale must leave the product at most {MOST_AREA} pixels, "
            f"got {width:.0f}x{height:.0f}"
        )


def check_heights(asked: Sequence[Placement]) -> None:
    """BadRequest unless all products without a scale have a real height, or none."""
    free = [one for one in asked if one.scale is None]
    real = sum(one.height_cm is not None for one in free)
    if 0 < real < len(free):
        raise BadRequest(
            f"height_cm must be given for all products without a scale or for none, got {real} of {len(free)}"
        )


def _proportions(asked: Sequence[Placement]) -> list[float]:
    """The heights of products whose scale is found, as shares of the tallest: by their real heights."""
    check_heights(asked)
    real = [one.height_cm for one in asked if one.height_cm is not None]
    if not real:
        return [1.0] * len(asked)
    return [height / max(real) for height in real]


def _common_factor(free: Sequence[tuple[Product, float, Placement]], scenery: Scenery) -> float:
    """The height of the tallest in pixels: one factor for all, so that their proportions stay.

    All fit between the margins, side by side and below the upper edge; none is enlarged too much.
    """
    settings = scenery.settings
    limits = [settings.height * scenery.height]
    row = 0.0  # the width of all for a factor of 1
    for product, share, one in free:
        base = scenery.ground.y if one.y is None else one.y
        limits.append(max(base - settings.margin, 0.02) * scenery.height / share)
        limits.append(MOST_ENLARGED * product.height / share)
        wide = product.width / product.height
        limits.append(SQUARE * math.sqrt(scenery.height * scenery.width / wide) / share)
        row += share * wide
    gaps = 1 + GAP * (len(free) - 1) / max(len(free), 1)
    if row:
        limits.append((1 - 2 * settings.margin) * scenery.width / (row * gaps))
    return min(limits)


def _at(index: int, product: Product, asked: Placement, x: float, scenery: Scenery) -> Placed:
    """A product whose middle is at x pixels; BadRequest where it would be outside of the scene."""
    base = (scenery.ground.y if asked.y is None else asked.y) * scenery.height
    one = Placed(index, product, round(x - product.width / 2), round(base) - product.height, asked.order or 0)
    (rows, columns), _ = one.inside(scenery.height, scenery.width)
    if rows.start >= rows.stop:
        raise out_of_scene(index, "y", asked, scenery.settings)
    if columns.start >= columns.stop:
        raise out_of_scene(index, "x", asked, scenery.settings)
    return one


def out_of_scene(index: int, name: Literal["x", "y"], asked: Placement, settings: Settings) -> BadRequest:
    """The error of a product that the scene shows nothing of, by the number that puts it there."""
    given = getattr(asked, name)
    if given is None:
        return BadRequest(f"ground must leave a part of the products in the scene, got {settings.ground}")
    return BadRequest(
        f"placements[{index}].{name} must leave a part of the product in the scene, got {given:g}"
    )


def _in_a_row(
    free: Sequence[int],
    fitted: Sequence[Product],
    asked: Sequence[Placement],
    by_hand: Sequence[Placed],
    scenery: Scenery,
) -> list[Placed]:
    """Products without an x, side by side, at the best place along the ground."""
    if not free:
        return []
    widths = [fitted[index].width for index in free]
    gap = GAP * float(np.mean(widths))
    length = sum(widths) + gap * (len(free) - 1)
    middles = np.cumsum([0, *(width + gap for width in widths[:-1])]) + np.array(widths) / 2
    clutter = clutter_of(scenery.scene.edges, _taken(by_hand, scenery))
    return min(
        (_row(free, fitted, asked, left + middles, scenery) for left in _lefts(length, scenery)),
        key=lambda row: cost_of(row, clutter, scenery),
    )


def _lefts(length: float, scenery: Scenery) -> list[float]:
    """Where a row of that length can begin, in pixels."""
    margin = scenery.settings.margin * scenery.width
    last = scenery.width - margin - length
    if last <= margin:
        return [(scenery.width - length) / 2]
    return np.linspace(margin, last, PLACES).tolist()


def _row(
    free: Sequence[int],
    fitted: Sequence[Product],
    asked: Sequence[Placement],
    middles: np.ndarray,
    scenery: Scenery,
) -> list[Placed]:
    return [
        _at(index, fitted[index], replace(asked[index], x=middle / scenery.width), middle, scenery)
        for index, middle in zip(free, middles.tolist(), strict=True)
    ]


def cost_of(row: Sequence[Placed], clutter: Clutter, scenery: Scenery) -> float:
    """What a row covers, and how far it is from the middle."""
    covered = [clutter.mean(one.left, one.top, one.right, one.base) for one in row]
    middle = (min(one.left for one in row) + max(one.right for one in row)) / 2 / scenery.width
    return float(np.mean(covered)) + CENTRED * abs(middle - 0.5)


def _taken(by_hand: Sequence[Placed], scenery: Scenery) -> np.ndarray | None:
    """Where products are already."""
    if not by_hand:
        return None
    alphas = [one.alpha_in(scenery.height, scenery.width) for one in by_hand]
    return np.maximum.reduce(alphas)


def _check_overlap(all_placed: Sequence[Placed], scenery: Scenery) -> None:
    """BadRequest for two products whose alpha-IoU is above the limit."""
    most = scenery.settings.max_overlap
    for place, one in enumerate(all_placed):
        for other in all_placed[place + 1 :]:
            share = overlap(one, other, scenery.height, scenery.width)
            if share > most:
                raise BadRequest(
                    f"placements {one.index} and {other.index} must overlap by at most {most:g}, their "
                    f"max_overlap, got {share:.2f}"
                )
