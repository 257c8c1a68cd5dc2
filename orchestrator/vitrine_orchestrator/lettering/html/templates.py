"""The templates of texts: one row each, with its HTML, its style and its usual colours.

All lengths are in em of the text's size, so a template looks the same at every size. What a caller sends
stands in lines, escaped; nothing of a style comes from a caller but numbers and checked colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from string import Template as Form

from vitrine_orchestrator.lettering.characters import clusters
from vitrine_orchestrator.lettering.faces import Face
from vitrine_orchestrator.lettering.html.renderer import Page
from vitrine_orchestrator.placing.contrast import INKS, Colour, contrast_of_colours


@dataclass(frozen=True)
class Design:
    """One template. Its HTML has $text and $subline, its style $paper for the colour of its ground."""

    meaning: str
    html: str
    style: str
    paper: Colour | None = None  # its usual ground; None: the picture itself
    subline: float = 0.5  # size of the second text, in sizes
    vertical: bool = False

    def ink(self, paper: Colour) -> Colour:
        """White or nearly black, whichever stands out from its ground."""
        return max(INKS, key=lambda ink: contrast_of_colours(ink, paper))


COMMON = """
.page{display:flex;align-items:flex-start;width:max-content}
.whole{display:flex;flex-direction:column;align-items:center;line-height:1.25;white-space:pre}
.line{white-space:pre}
"""

DESIGNS: dict[str, Design] = {
    "headline": Design(
        "a headline, and under a short rule a smaller line",
        '<div class="whole">$text<div class="rule"></div>$subline</div>',
        ".rule{width:1.6em;height:.07em;margin:.12em 0;background:currentColor}",
    ),
    "price-tag": Design(
        "a tag with a hole, pointed on the left",
        '<div class="whole tag"><div class="hole"></div><div class="words">$text$subline</div></div>',
        ".tag{flex-direction:row;align-items:center;padding:.3em .7em .3em .75em;background:$paper;"
        "clip-path:polygon(.6em 0,100% 0,100% 100%,.6em 100%,0 50%)}"
        ".hole{width:.26em;height:.26em;border-radius:50%;background:#fff;margin-right:.34em}"
        ".words{display:flex;flex-direction:column;align-items:flex-start}",
        paper=(255, 210, 63),
    ),
    "ribbon": Design(
        "a ribbon with notched ends",
        '<div class="whole ribbon">$text$subline</div>',
        ".ribbon{padding:.28em 1.1em;background:$paper;"
        "clip-path:polygon(0 0,100% 0,calc(100% - .5em) 50%,100% 100%,0 100%,.5em 50%)}",
        paper=(196, 30, 42),
    ),
    "caption-bar": Design(
        "a bar with the text on its left and the second one on its right",
        '<div class="whole bar"><div class="words">$text</div>$subline</div>',
        ".bar{flex-direction:row;align-items:center;padding:.22em .7em;border-radius:.25em;background:$paper}"
        ".words{display:flex;flex-direction:column;align-items:flex-start}.sub{margin-left:.9em}",
        paper=(28, 30, 36),
    ),
    "card": Design(
        "a card with a thin frame",
        '<div class="whole card"><div class="frame">$text$subline</div></div>',
        ".card{padding:.18em;background:$paper}"
        ".frame{display:flex;flex-direction:column;align-items:center;padding:.3em .75em;"
        "border:.05em solid currentColor}",
        paper=(250, 246, 236),
        subline=0.45,
    ),
    "vertical": Design(
        "columns from top to bottom, the second text in a smaller one on the left",
        '<div class="whole columns">$text$subline</div>',
        ".columns{flex-direction:row-reverse;align-items:flex-start;line-height:1;"
        'font-feature-settings:"vert" 1,"vrt2" 1}'
        ".line{display:flex;flex-direction:column;align-items:center;margin:0 .12em}"
        ".cell{width:1em;height:1.06em;line-height:1.06;text-align:center}"
        ".gap{width:1em;height:.4em}.sub{display:flex;flex-direction:row-reverse;margin-top:.4em}",
        vertical=True,
    ),
}
"""By the name in a request."""


@dataclass(frozen=True)
class Lines:
    """The lines of both texts of a template."""

    text: tuple[str, ...]
    subline: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """In the order in which the template has them."""
        return (*self.text, *self.subline)


@dataclass(frozen=True)
class Look:
    """How a template is drawn, whatever its lines and size."""

    design: Design
    paper: Colour | None
    faces: tuple[Face, ...]
    weight: int
    lang: str

    def page(self, lines: Lines, size: float, ink: Colour | None) -> Page:
        """The page at a size in pixels; without an ink only the ground is drawn."""
        colour = css(ink) if ink else "transparent"
        sub = f".sub{{font-size:{self.design.subline:g}em}}"
        root = f".page{{font-size:{size:g}px;color:{colour}}}"
        own = Form(self.design.style).substitute(paper=css(self.paper) if self.paper else "transparent")
        return Page(self.html(lines), COMMON + sub + own + root, self.lang, self.faces, self.weight)

    def html(self, lines: Lines) -> str:
        """The page of some lines."""
        text = "".join(map(self._line, lines.text))
        subline = "".join(map(self._line, lines.subline))
        below = f'<div class="sub">{subline}</div>' if subline else ""
        inside = Form(self.design.html).substitute(text=text, subline=below)
        return f'<div class="page">{inside}</div>'

    def _line(self, line: str) -> str:
        if not self.design.vertical:
            return f'<div class="line">{escape(line)}</div>'
        cells = "".join(
            '<div class="gap"></div>' if one.isspace() else f'<div class="cell">{escape(one)}</div>'
            for one in clusters(line)
        )
        return f'<div class="line">{cells}</div>'


def css(colour: Colour) -> str:
    """A colour of a style sheet."""
    return f"#{bytes(colour).hex()}"
