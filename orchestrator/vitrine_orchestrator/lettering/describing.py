"""What a server offers for texts: its fonts; and what a picture offers: its colours, and places for texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from vitrine_orchestrator.lettering.fonts import Fonts
from vitrine_orchestrator.lettering.languages import GENERIC
from vitrine_orchestrator.placing.boxes import ANCHORS, Box, anchored, inner
from vitrine_orchestrator.placing.contrast import INKS, best_ink, contrast, linear, luminance
from vitrine_orchestrator.placing.ground import Ground, Pixels, ground_of
from vitrine_orchestrator.placing.search import best_place

SHAPES = {"banner": (0.8, 0.16), "block": (0.45, 0.28), "column": (0.26, 0.6)}
"""Boxes that places are searched for, in this order: width and height as shares of the picture's."""
MARGIN = 0.05
"""Kept free at the edges, of the picture's shorter side."""
COLOURS = 5
"""Dominant colours that are named at most."""
THUMBNAIL = 96
"""Pixels of the longer side of the picture in which colours are counted."""
LEAST_SHARE = 0.02
"""The share of the picture below which a colour is not named."""


def described_fonts(fonts: Fonts) -> dict[str, object]:
    """`families`: every name that a text's `font` may have. `kinds`: for each kind the families in order."""
    there = {family.casefold() for family in fonts.families()}
    kinds = {kind: [one.format(region="KR") for one in families] for kind, families in GENERIC.items()}
    return {
        "families": fonts.families(),
        "kinds": {kind: [one for one in names if one.casefold() in there] for kind, names in kinds.items()},
    }


def described_picture(picture: Pixels, keep: Pixels | None) -> dict[str, object]:
    """Size, brightness, colours and free places of a picture (H, W, 3).

    keep: what texts must not cover, (H, W); 0 is free. `luminance` is relative luminance by WCAG 2, 0 to 1.
    Boxes are left, top, right and bottom in shares of the picture. Of each shape of SHAPES there is the
    best free place, if there is one; none of them covers another. `contrast_p5` is the contrast that 95 %
    of the place's pixels have with `ink`, without a scrim.
    """
    height, width = picture.shape[:2]
    ground = ground_of(picture, keep)
    return {
        "size": [width, height],
        "luminance": round(float(ground.light[-1, -1]) / _cells(ground), 3),
        "colours": _colours(picture),
        "free": round(1 - float(ground.taken[-1, -1]) / _cells(ground), 3),
        "places": _places(picture, ground),
    }


def _cells(ground: Ground) -> int:
    return (ground.light.shape[0] - 1) * (ground.light.shape[1] - 1)


def _colours(picture: Pixels) -> list[dict[str, object]]:
    """The dominant colours by median cut, the most frequent first."""
    small = Image.fromarray(picture)
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    counted = small.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
    palette, found = counted.getpalette() or [], counted.getcolors() or []
    shares = sorted(((n / (small.width * small.height), index) for n, index in found), reverse=True)
    return [
        {"colour": _written(palette[3 * index : 3 * index + 3]), "share": round(share, 3)}
        for share, index in shares
        if share >= LEAST_SHARE
    ]


def _written(colour: Sequence[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _places(picture: Pixels, ground: Ground) -> list[dict[str, object]]:
    region, found = inner(ground.width, ground.height, MARGIN), []
    for shape, (across, down) in SHAPES.items():
        width, height = max(1, round(across * ground.width)), max(1, round(down * ground.height))
        place = best_place(ground, width, height, region, 0, INKS)
        if place is None:
            continue
        ground = ground.taking([place.box])
        under = luminance(linear(picture[place.box.part])).reshape(-1)
        ink = best_ink(under, INKS)
        found.append(
            {
                "shape": shape,
                "box": _shares(place.box, ground),
                "anchor": _nearest_anchor(place.box, region),
                "ink": _written(ink),
                "contrast_p5": round(contrast(under, ink).low, 2),
                "busy": round(float(np.std(under)), 3),
            }
        )
    return found


def _shares(box: Box, ground: Ground) -> list[float]:
    left, top, right, bottom = box.numbers
    sides = (left / ground.width, top / ground.height, right / ground.width, bottom / ground.height)
    return [round(side, 4) for side in sides]


def _nearest_anchor(box: Box, region: Box) -> str:
    """The anchor at which a box of this size would stand closest to this one."""

    def distance(anchor: str) -> float:
        there = anchored(anchor, box.width, box.height, region)
        return (there.left - box.left) ** 2 + (there.top - box.top) ** 2

    return min(ANCHORS, key=distance)
