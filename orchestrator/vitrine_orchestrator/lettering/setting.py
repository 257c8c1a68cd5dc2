"""A text set in faces at one size: how long its parts are, what ink they leave, and their masks.

Positions are in pixels from the line's origin: horizontal lines have it at the left end of the baseline,
vertical ones at the top of the middle axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, floor

from PIL import ImageDraw, ImageFont

from vitrine_orchestrator.lettering.characters import BREAK_HERE, clusters
from vitrine_orchestrator.lettering.faces import Face, naming, opened
from vitrine_orchestrator.lettering.fonts import WEIGHTS, face_of
from vitrine_orchestrator.lettering.languages import LANGUAGES

Run = tuple[str, Face]
Ink = tuple[int, int, int, int]
"""Left, top, right and bottom of what is drawn, from the line's origin."""


@dataclass(frozen=True)
class Script:
    """How a text is set, whatever its size."""

    faces: tuple[Face, ...]  # the chosen one, then the fallbacks
    weight: str
    language: str
    vertical: bool = False

    def at(self, size: int) -> Setting:
        """The same at a size in pixels."""
        return Setting(self, size)


@dataclass(frozen=True, eq=False)
class Setting:
    """A script at a size."""

    script: Script
    size: int  # em, in pixels
    _lengths: dict[str, float] = field(default_factory=dict)
    _inks: dict[str, Ink] = field(default_factory=dict)

    def length(self, text: str) -> float:
        """How far a text reaches along its line."""
        if text not in self._lengths:
            self._lengths[text] = sum(self._run_length(run) for run in self._runs(text))
        return self._lengths[text]

    def ink(self, text: str) -> Ink:
        """What a line's ink covers; nothing of a line without ink."""
        if text not in self._inks:
            self._inks[text] = self._ink(text)
        return self._inks[text]

    def _ink(self, text: str) -> Ink:
        boxes, at = [], 0.0
        for run in self._runs(text):
            with naming(run[1].path):
                left, top, right, bottom = self._font(run).getbbox(run[0], **self._options)
            shift = (0.0, at) if self.script.vertical else (at, 0.0)
            boxes.append((left + shift[0], top + shift[1], right + shift[0], bottom + shift[1]))
            at += self._run_length(run)
        if not boxes:
            return 0, 0, 0, 0
        lefts, tops, rights, bottoms = zip(*boxes, strict=True)
        return (
            floor(min(lefts)),
            floor(min(tops)),
            ceil(max(rights)),
            ceil(max(bottoms)),
        )

    def draw(self, canvas: ImageDraw.ImageDraw, text: str, x: float, y: float, stroke: float) -> None:
        """Draw a line with its origin at (x, y), in white; `stroke` widens it on each side, in pixels."""
        for run in self._runs(text):
            with naming(run[1].path):
                font = self._font(run)
                canvas.text((x, y), run[0], fill=255, font=font, stroke_width=stroke, **self._options)
            along = self._run_length(run)
            x, y = (x, y + along) if self.script.vertical else (x + along, y)

    def families(self, text: str) -> list[str]:
        """The families that draw a text, in order of their first use."""
        return list(dict.fromkeys(face.family for _, face in self._runs(text)))

    @property
    def _options(self) -> dict[str, str]:
        """Pillow's options of every text."""
        language = LANGUAGES[self.script.language].code
        if self.script.vertical:
            return {"language": language, "direction": "ttb", "anchor": "st"}
        return {"language": language, "direction": "ltr", "anchor": "ls"}

    def _runs(self, text: str) -> list[Run]:
        return runs_of(text, self.script.faces)

    def _font(self, run: Run) -> ImageFont.FreeTypeFont:
        return opened(run[1], self.size, WEIGHTS[self.script.weight])

    def _run_length(self, run: Run) -> float:
        options = {name: value for name, value in self._options.items() if name != "anchor"}
        with naming(run[1].path):
            return float(self._font(run).getlength(run[0], **options))


def runs_of(text: str, faces: Sequence[Face]) -> list[Run]:
    """A line in parts, each of one face; spaces go with the part before them."""
    runs: list[Run] = []
    for cluster in clusters(text.replace("\u00a0", " ").replace(BREAK_HERE, "")):
        face = runs[-1][1] if runs and cluster.isspace() else face_of(cluster, faces) or faces[0]
        if runs and runs[-1][1] is face:
            runs[-1] = (runs[-1][0] + cluster, face)
        else:
            runs.append((cluster, face))
    return runs
