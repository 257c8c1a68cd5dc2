"""Texts on a picture: checked against the fonts, placed, painted, and reported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.lettering.arranging import Arranged, alignment, arranged
from vitrine_orchestrator.lettering.characters import clusters
from vitrine_orchestrator.lettering.fonts import Fonts, check_glyphs
from vitrine_orchestrator.lettering.options import AUTO, TextOptions
from vitrine_orchestrator.lettering.painting import Painted, painted
from vitrine_orchestrator.lettering.setting import Script
from vitrine_orchestrator.lettering.values import written
from vitrine_orchestrator.placing.ground import ground_of

Pixels = NDArray[np.uint8]


def overlaid(
    picture: Pixels, texts: Sequence[TextOptions], fonts: Fonts, keep: Pixels | None = None
) -> tuple[Pixels, list[dict[str, object]]]:
    """The picture (H, W, 3) with the texts on it, and a report of each text in order.

    keep: what texts that choose their own place must not cover, (H, W); 0 is free. Texts that are placed by
    hand are placed first, and the others cover none of them. Raises BadRequest, naming text and limit,
    before anything is painted where a text has no glyph or no place.
    """
    scripts = [_script(f"texts[{index}]", options, fonts) for index, options in enumerate(texts)]
    ground, placed = ground_of(picture, keep), dict[int, Arranged]()
    for index in sorted(range(len(texts)), key=lambda index: _chooses(texts[index])):
        placed[index] = arranged(f"texts[{index}]", texts[index], scripts[index], ground)
        ground = ground.taking([placed[index].taken(texts[index])])
    result = picture.copy()
    reports = []
    for index, options in enumerate(texts):
        told = painted(
            result,
            placed[index].block,
            placed[index].box,
            alignment(options),
            options,
            keep,
            f"texts[{index}]",
        )
        reports.append(_report(options, placed[index], told))
    return result, reports


def _chooses(options: TextOptions) -> bool:
    """Whether a text chooses its own place."""
    return options.anchor == AUTO and options.box is None


def _script(name: str, options: TextOptions, fonts: Fonts) -> Script:
    """The faces of a text; BadRequest for a character that none of them has."""
    faces = fonts.faces(options.font, options.weight, options.language)
    check_glyphs(f"{name}.text", clusters(options.text), faces)
    return Script(faces, options.weight, options.language, options.vertical)


def _report(options: TextOptions, placed: Arranged, told: Painted) -> dict[str, object]:
    """What a caller learns of one text; lengths in pixels."""
    block, scrim = placed.block, told.scrim
    report: dict[str, object] = {
        "text": options.text,
        "language": options.language,
        "lines": list(block.lines),
        "broken_at": block.level,
        "box": list(placed.box.numbers),
        "line_boxes": [list(line.numbers) for line in told.lines],
        "found_by": placed.found,
        "size": block.size,
        "fonts": block.setting.families("".join(block.lines)),
        "rotation": options.rotation,
        "colour": written(told.ink),
        "method": told.method,
        "scrim": {"colour": written(scrim.colour), "opacity": round(scrim.opacity, 4)} if scrim else None,
        "contrast_p5": round(told.contrast.low, 3),
        "contrast_share": round(told.contrast.share, 4),
        "overlap": round(told.overlap, 5),
    }
    return report if placed.cost is None else {**report, "cost": round(placed.cost, 4)}
