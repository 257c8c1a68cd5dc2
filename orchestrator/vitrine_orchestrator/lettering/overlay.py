"""Texts on a picture: checked against the fonts, placed, painted, and reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.lettering.arranging import Arranged, BlockSetter, alignment, arranged
from vitrine_orchestrator.lettering.characters import clusters
from vitrine_orchestrator.lettering.fitting import Block
from vitrine_orchestrator.lettering.fonts import Fonts, check_glyphs
from vitrine_orchestrator.lettering.html.browser import TIMEOUT_S, Allowed, open_browser
from vitrine_orchestrator.lettering.html.page_text import PageText
from vitrine_orchestrator.lettering.html.renderer import Renderer
from vitrine_orchestrator.lettering.html.template_text import TemplateText
from vitrine_orchestrator.lettering.options import AUTO, TextOptions
from vitrine_orchestrator.lettering.painting import Painted, painted
from vitrine_orchestrator.lettering.setting import Script
from vitrine_orchestrator.lettering.values import written
from vitrine_orchestrator.placing.ground import Ground, ground_of

Pixels = NDArray[np.uint8]


class Way(Protocol):
    """One text of a request, set in one way."""

    def arranged(self, ground: Ground) -> Arranged[Any]:
        """Where and how large it stands; BadRequest where it has no place."""

    def painted(self, picture: Pixels, placed: Arranged[Any], keep: Pixels | None) -> Painted:
        """Paint it into the picture (H, W, 3), in place."""

    def told(self, placed: Arranged[Any]) -> dict[str, object]:
        """What its report has beside what all texts have."""


@dataclass(frozen=True, eq=False)
class PlainText:
    """A text that Pillow sets."""

    name: str
    options: TextOptions
    script: Script

    @classmethod
    def of(cls, name: str, options: TextOptions, fonts: Fonts) -> PlainText:
        """The text of a request; BadRequest for a character that none of its faces has."""
        faces = fonts.faces(options.font, options.weight, options.language)
        check_glyphs(f"{name}.text", clusters(options.text), faces)
        return cls(name, options, Script(faces, options.weight, options.language, options.vertical))

    def arranged(self, ground: Ground) -> Arranged[Block]:
        """As Way says."""
        setter = BlockSetter(self.name, self.options, self.script)
        return arranged(self.name, self.options, setter, ground)

    def painted(self, picture: Pixels, placed: Arranged[Block], keep: Pixels | None) -> Painted:
        """As Way says."""
        align = alignment(self.options)
        return painted(picture, placed.block, placed.box, align, self.options, keep, self.name)

    def told(self, placed: Arranged[Block]) -> dict[str, object]:
        """As Way says."""
        block = placed.block
        return {
            "way": "pillow",
            "broken_at": block.level,
            "fonts": block.setting.families("".join(block.lines)),
            "rotation": self.options.rotation,
        }


@dataclass(eq=False)
class Setters:
    """What sets texts: the fonts, the process that draws templates, whether callers may send pages."""

    fonts: Fonts
    renderer: Renderer = field(default_factory=Renderer)
    caller_html: Allowed = "off"  # whether callers may send pages of their own
    caller_html_s: float = TIMEOUT_S  # for each of them

    def way(self, name: str, options: TextOptions) -> Way:
        """The way of a text; BadRequest for a character that none of its fonts has."""
        if options.html is not None:
            return PageText.of(name, options, self.fonts, self.caller_html, self.caller_html_s)
        if options.template:
            return TemplateText.of(name, options, self.fonts, self.renderer)
        return PlainText.of(name, options, self.fonts)

    def close(self) -> None:
        """End the processes."""
        self.renderer.close()


def check_texts(texts: Sequence[TextOptions], setters: Setters) -> None:
    """BadRequest for a text that could be set on no picture. Callers' pages are not drawn for it."""
    for index, options in enumerate(texts):
        if options.html is not None:
            open_browser(setters.caller_html)
        else:
            setters.way(_named(index), options)


def overlaid(
    picture: Pixels, texts: Sequence[TextOptions], setters: Setters, keep: Pixels | None = None
) -> tuple[Pixels, list[dict[str, object]]]:
    """The picture (H, W, 3) with the texts on it, and a report of each text in order.

    keep: what texts that choose their own place must not cover, (H, W); 0 is free. Texts that are placed by
    hand are placed first, and the others cover none of them. Raises BadRequest, naming text and limit,
    before anything is painted where a text has no glyph or no place.
    """
    ways = [setters.way(_named(index), options) for index, options in enumerate(texts)]
    ground, placed = ground_of(picture, keep), dict[int, Arranged[Any]]()
    for index in sorted(range(len(texts)), key=lambda index: _chooses(texts[index])):
        placed[index] = ways[index].arranged(ground)
        ground = ground.taking([placed[index].taken(texts[index])])
    result = picture.copy()
    reports = []
    for index, options in enumerate(texts):
        told = ways[index].painted(result, placed[index], keep)
        reports.append(_report(options, placed[index], told, ways[index].told(placed[index])))
    return result, reports


def _named(index: int) -> str:
    """A text for messages."""
    return f"texts[{index}]"


def _chooses(options: TextOptions) -> bool:
    """Whether a text chooses its own place."""
    return options.anchor == AUTO and options.box is None


def _report(
    options: TextOptions, placed: Arranged[Any], told: Painted, more: dict[str, object]
) -> dict[str, object]:
    """What a caller learns of one text; lengths in pixels."""
    scrim = told.scrim
    report: dict[str, object] = {
        "text": options.text,
        "language": options.language,
        "lines": list(placed.block.lines),
        "box": list(placed.box.numbers),
        "line_boxes": [list(line.numbers) for line in told.lines],
        "found_by": placed.found,
        "size": placed.block.size,
        "colour": written(told.ink),
        "method": told.method,
        "scrim": {"colour": written(scrim.colour), "opacity": round(scrim.opacity, 4)} if scrim else None,
        "contrast_p5": round(told.contrast.low, 3),
        "contrast_share": round(told.contrast.share, 4),
        "overlap": round(told.overlap, 5),
        **more,
    }
    return report if placed.cost is None else {**report, "cost": round(placed.cost, 4)}
