"""Drawn garments: their forms and patterns, and their descriptions in words."""

from dataclasses import dataclass

from vitrine_orchestrator.person.labels import Category

from vitrine_world.dolls.palette import GARMENT_COLOURS, PATTERN_COLOURS


@dataclass(frozen=True)
class Form:
    """One form of garment; `words` is its description with the placeholder {colour}."""

    category: Category
    kind: str
    sleeve: str
    length: str
    words: str


FORMS = (
    Form("upper_body", "shirt", "sleeveless", "regular", "a {colour} sleeveless shirt"),
    Form("upper_body", "shirt", "short", "regular", "a {colour} short sleeve shirt"),
    Form("upper_body", "shirt", "long", "regular", "a {colour} long sleeve shirt"),
    Form("upper_body", "shirt", "sleeveless", "cropped", "a {colour} cropped sleeveless shirt"),
    Form("upper_body", "shirt", "short", "cropped", "a {colour} cropped short sleeve shirt"),
    Form("upper_body", "shirt", "long", "cropped", "a {colour} cropped long sleeve shirt"),
    Form("lower_body", "trousers", "none", "long", "{colour} trousers"),
    Form("lower_body", "shorts", "none", "short", "{colour} shorts"),
    Form("lower_body", "skirt", "none", "short", "a {colour} short skirt"),
    Form("lower_body", "skirt", "none", "knee", "a {colour} knee length skirt"),
    Form("lower_body", "skirt", "none", "long", "a {colour} long skirt"),
    Form("dresses", "dress", "sleeveless", "knee", "a {colour} sleeveless knee length dress"),
    Form("dresses", "dress", "short", "knee", "a {colour} short sleeve knee length dress"),
    Form("dresses", "dress", "long", "knee", "a {colour} long sleeve knee length dress"),
    Form("dresses", "dress", "sleeveless", "long", "a {colour} sleeveless long dress"),
    Form("dresses", "dress", "short", "long", "a {colour} short sleeve long dress"),
    Form("dresses", "dress", "long", "long", "a {colour} long sleeve long dress"),
)

PATTERNS: dict[str, str] = {
    "solid": "",
    "horizontal": " with {colour} horizontal stripes",
    "vertical": " with {colour} vertical stripes",
    "checks": " with {colour} checks",
    "dots": " with {colour} dots",
    "logo": " with a {colour} logo",
}
"""Pattern → its part of a description."""


@dataclass(frozen=True)
class Garment:
    """A flat-coloured garment, perhaps with one coarse pattern.

    `category`, `kind`, `sleeve` and `length` are together one row of FORMS; `colour` is a name of
    GARMENT_COLOURS, `pattern` a name of PATTERNS, `pattern_colour` a name of PATTERN_COLOURS or "" for solid.
    """

    category: Category
    kind: str
    sleeve: str
    length: str
    colour: str
    pattern: str = "solid"
    pattern_colour: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown form, colour or pattern."""
        form = (self.category, self.kind, self.sleeve, self.length)
        if form not in _WORDS:
            raise ValueError(f"garment form must be a row of FORMS, got {form}")
        if self.colour not in GARMENT_COLOURS:
            raise ValueError(f"colour must be one of {sorted(GARMENT_COLOURS)}, got {self.colour!r}")
        if self.pattern not in PATTERNS:
            raise ValueError(f"pattern must be one of {sorted(PATTERNS)}, got {self.pattern!r}")
        allowed = PATTERN_COLOURS.keys() if self.pattern != "solid" else {""}
        if self.pattern_colour not in allowed:
            raise ValueError(
                f"pattern_colour of {self.pattern} must be one of {sorted(allowed)},"
                f" got {self.pattern_colour!r}"
            )

    @property
    def description(self) -> str:
        """Words from VOCABULARY, for example "a red long sleeve shirt with white dots"."""
        words = _WORDS[self.category, self.kind, self.sleeve, self.length]
        words = words.format(colour=self.colour) + PATTERNS[self.pattern].format(colour=self.pattern_colour)
        return words.replace("a orange", "an orange")


_WORDS = {(form.category, form.kind, form.sleeve, form.length): form.words for form in FORMS}


def _vocabulary() -> tuple[str, ...]:
    """Return every word that a description can contain, sorted."""
    lines = [form.words for form in FORMS] + list(PATTERNS.values())
    words = {word for line in lines for word in line.split()} - {"{colour}"}
    return tuple(sorted(words | {"an"} | PATTERN_COLOURS.keys()))


VOCABULARY = _vocabulary()
