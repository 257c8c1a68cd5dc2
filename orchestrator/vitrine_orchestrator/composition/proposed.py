"""Places for products in boxes that somebody proposes, by the measures of places that are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vitrine.errors import BadRequest

from vitrine_orchestrator.composition.free_places import clutter_of
from vitrine_orchestrator.composition.placing import Scenery, cost_of, placed
from vitrine_orchestrator.composition.products import Placed, Product
from vitrine_orchestrator.composition.settings import Placement

Shares = tuple[float, float, float, float]
"""Left, top, right and bottom in shares of the scene."""
WORSE = 0.5
"""How much more than the search's own place a proposed one may cost; a covered part that is as busy as the
scene's mean costs 1."""
LEAST = 0.05
"""The least height of a product in a proposed box, as a share of the scene's."""


def placed_in(
    products: Sequence[Product], scenery: Scenery, boxes: Sequence[Shares]
) -> tuple[list[Placed] | None, str]:
    """The products in the best of the boxes, or None and why none of them is good.

    One product can stand in any of the boxes; several take the first ones, one each, in their order.
    """
    found = placed(products, scenery)
    clutter = clutter_of(scenery.scene.edges)
    limit = cost_of(found, clutter, scenery) + WORSE
    sets = [[box] for box in boxes] if len(products) == 1 else [list(boxes[: len(products)])]
    good: list[tuple[float, list[Placed]]] = []
    said = f"{len(boxes)} boxes were proposed for {len(products)} products"
    for chosen in sets:
        if len(chosen) < len(products):
            break
        pairs = zip(products, chosen, strict=True)
        placements = tuple(_placement(product, box, scenery) for product, box in pairs)
        if said_now := _wrong(placements, chosen, scenery):
            said = said_now
            continue
        asked = replace(scenery, settings=replace(scenery.settings, placements=placements))
        try:
            standing = placed(products, asked)
        except BadRequest as error:
            said = str(error)
            continue
        cost = cost_of(standing, clutter, scenery)
        if cost <= limit:
            good.append((cost, standing))
        else:
            said = f"a proposed place costs {cost:.2f}, {limit:.2f} at most"
    return (min(good, key=lambda one: one[0])[1], "") if good else (None, said)


def _placement(product: Product, box: Shares, scenery: Scenery) -> Placement:
    """A product on the lower edge of a box, as large as the box allows."""
    left, top, right, bottom = box
    wide = (right - left) * scenery.width * product.height / product.width / scenery.height
    return Placement(x=(left + right) / 2, y=bottom, scale=min(bottom - top, wide))


def _wrong(placements: Sequence[Placement], boxes: Sequence[Shares], scenery: Scenery) -> str:
    """The rule that a set of boxes breaks; empty where it breaks none."""
    margin = scenery.settings.margin
    for one, (left, top, right, bottom) in zip(placements, boxes, strict=True):
        if min(left, top, 1 - right, 1 - bottom) < margin - 1e-6:
            return f"a proposed box leaves less than the margin of {margin:g}"
        if bottom < scenery.ground.top:
            ground = scenery.ground.top
            return f"a proposed box ends at {bottom:.2f}, above the ground, which begins at {ground:.2f}"
        if one.scale is None or one.scale < LEAST:
            return f"a proposed box leaves the product less than {LEAST:g} of the scene's height"
    return ""
