"""One text of a request that a template sets: arranged, drawn, laid on the picture, and reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest

from vitrine_orchestrator.lettering.arranging import Arranged, arranged
from vitrine_orchestrator.lettering.characters import clusters
from vitrine_orchestrator.lettering.fonts import WEIGHTS, Fonts, check_glyphs, face_of
from vitrine_orchestrator.lettering.html.layers import Area, LayerSheet, ink_box, laid
from vitrine_orchestrator.lettering.html.renderer import Renderer
from vitrine_orchestrator.lettering.html.setting import TemplateBlock, TemplateSetter, line_boxes
from vitrine_orchestrator.lettering.html.templates import DESIGNS, Look
from vitrine_orchestrator.lettering.languages import LANGUAGES
from vitrine_orchestrator.lettering.options import TextOptions
from vitrine_orchestrator.lettering.painting import Painted, Pixels, cured
from vitrine_orchestrator.lettering.setting import Script
from vitrine_orchestrator.placing.contrast import ENOUGH, Colour, Scrim, contrast_of_colours
from vitrine_orchestrator.placing.ground import Ground


@dataclass(frozen=True, eq=False)
class TemplateText:
    """A text and its template; BadRequest for a character that no font has, and for colours too alike."""

    name: str
    options: TextOptions
    script: Script
    look: Look
    renderer: Renderer

    @classmethod
    def of(cls, name: str, options: TextOptions, fonts: Fonts, renderer: Renderer) -> TemplateText:
        """The text of a request."""
        assert options.template
        faces = fonts.faces(options.font, options.weight, options.language)
        for field, text in (("text", options.text), ("subline", options.subline or "")):
            check_glyphs(f"{name}.{field}", clusters(text), faces)
        design = DESIGNS[options.template]
        paper = design.paper and (options.accent or design.paper)
        if options.accent and design.paper is None:
            raise BadRequest(f"{name}.accent must not be given with {options.template}, which has no ground")
        _check_colours(name, options, paper)
        language = LANGUAGES[options.language].code
        look = Look(design, paper, faces, WEIGHTS[options.weight], language)
        script = Script(faces, options.weight, options.language)
        return cls(name, options, script, look, renderer)

    def arranged(self, ground: Ground) -> Arranged[TemplateBlock]:
        """Where and how large it stands."""
        setter = TemplateSetter(self.name, self.options, self.script, self.look, self.renderer)
        return arranged(self.name, self.options, setter, ground)

    def painted(self, picture: Pixels, placed: Arranged[TemplateBlock], keep: Pixels | None) -> Painted:
        """Lay it on the picture (H, W, 3), in place."""
        block, at = placed.block, placed.box
        sheet = LayerSheet.of(picture, at, keep, block.size)
        page = self.look.page(block.texts, block.size, None)
        bare = self.renderer.draw(page, at.width, at.height)
        boxes = line_boxes(self.renderer.measure(page), block.texts.all)
        behind = sheet.copy()
        behind.lay(bare)
        ink, scrim = self._cured([behind.ground(box) for box in boxes])
        layer = self.renderer.draw(self.look.page(block.texts, block.size, ink), at.width, at.height)
        areas = [Area(ink_box(layer, bare, box), ink) for box in boxes]
        return laid(picture, sheet, layer, bare, areas, scrim, self.options)

    def _cured(self, grounds: Sequence[NDArray[np.float32]]) -> tuple[Colour, Scrim | None]:
        """The ink on the luminances (n,) of each line, and the scrim that the worst of them needs."""
        if self.look.paper:
            return self.options.colour or self.look.design.ink(self.look.paper), None
        ink, _, _ = cured(self.options, np.concatenate(grounds), self.name)
        inked = replace(self.options, colour=ink)
        scrims = [cured(inked, ground, self.name)[1] for ground in grounds if ground.size]
        return ink, max((one for one in scrims if one), key=lambda one: one.opacity, default=None)

    def told(self, placed: Arranged[TemplateBlock]) -> dict[str, object]:
        """What its report has beside what all texts have."""
        lines, faces = placed.block.texts, self.script.faces
        used = [face_of(one, faces) for one in clusters("".join(lines.all)) if not one.isspace()]
        return {
            "way": "html",
            "template": self.options.template,
            "sublines": list(lines.subline),
            "broken_at": placed.block.level,
            "fonts": list(dict.fromkeys(face.family for face in used if face)),
        }


def _check_colours(name: str, options: TextOptions, paper: Colour | None) -> None:
    """BadRequest where a caller's ink cannot be read on the template's own ground."""
    if paper is None or options.colour is None or options.contrast == "off":
        return
    found = contrast_of_colours(options.colour, paper)
    if found < ENOUGH:
        raise BadRequest(
            f"{name}.colour must have a contrast of {ENOUGH} with the ground of {options.template}, got "
            f'{found:.2f}: omit it, change accent, or say contrast "off"'
        )
