"""What is wrong with placements and can be said before the scenes are there: by their shape alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vitrine_orchestrator.composition.placing import check_size, out_of_scene
from vitrine_orchestrator.composition.settings import Placement, Settings

SLACK = 0.01
"""Of a side: nearer to the edge the composition's whole pixels decide."""


@dataclass(frozen=True)
class Frame:
    """What is known of a scene's size."""

    ratio: float | None  # width by height; None: only the checkpoint knows
    height: int | None = None  # in pixels


def check_places(settings: Settings, ads: Sequence[Sequence[float | None]], frames: Sequence[Frame]) -> None:
    """BadRequest for a product of which a scene would show nothing, or which would be too large.

    ads: the products of each ad by their widths in heights; None for one that is cut out later.
    """
    for products in ads:
        placements = settings.placements or [Placement()] * len(products)
        for frame in frames:
            for index, (one, wide) in enumerate(zip(placements, products, strict=True)):
                _check_place(index, one, wide, frame, settings)


def _check_place(index: int, one: Placement, wide: float | None, frame: Frame, settings: Settings) -> None:
    # Found sizes are at most the height of the settings, and leave the margin on both sides.
    tall, most = (settings.height, 0.5 - settings.margin) if one.scale is None else (one.scale, math.inf)
    half = tall * wide / frame.ratio / 2 if wide and frame.ratio else math.inf
    if one.scale is not None and wide and frame.height:
        check_size(index, tall * frame.height * wide, tall * frame.height)
    base = settings.ground if one.y is None else one.y
    if base is not None and (base <= 0 or base - tall > 1 + SLACK):
        raise out_of_scene(index, "y", one, settings)
    beyond = min(half, most) + SLACK
    if one.x is not None and not -beyond <= one.x <= 1 + beyond:
        raise out_of_scene(index, "x", one, settings)
