"""The colours of the paper-doll world: RGB, 0 to 255, easy to distinguish by eye."""

from math import dist

Colour = tuple[int, int, int]

GARMENT_COLOURS: dict[str, Colour] = {
    "red": (208, 32, 40),
    "orange": (240, 128, 24),
    "yellow": (246, 208, 48),
    "lime": (152, 208, 56),
    "green": (32, 136, 64),
    "teal": (16, 144, 144),
    "cyan": (96, 204, 232),
    "blue": (40, 96, 216),
    "navy": (28, 36, 96),
    "purple": (120, 56, 168),
    "magenta": (216, 48, 152),
    "pink": (248, 152, 184),
    "brown": (112, 64, 32),
    "cream": (240, 224, 184),
    "grey": (136, 140, 148),
    "black": (32, 32, 36),
}
"""Colours of garments; every one contrasts with PAPER."""

PATTERN_COLOURS: dict[str, Colour] = {"white": (252, 252, 252), **GARMENT_COLOURS}
"""Colours of patterns."""

SKINS: tuple[Colour, ...] = (
    (252, 216, 192),
    (240, 196, 160),
    (220, 168, 128),
    (184, 128, 88),
    (144, 92, 60),
    (100, 64, 44),
)
HAIRS: tuple[Colour, ...] = (
    (28, 24, 24),
    (72, 44, 28),
    (128, 80, 40),
    (224, 184, 96),
    (176, 76, 32),
    (168, 168, 172),
)
SHOES: tuple[Colour, ...] = ((24, 24, 28), (248, 248, 248), (96, 56, 32), (176, 32, 40), (40, 56, 120))
WALLS: tuple[Colour, ...] = (
    (232, 236, 240),
    (204, 224, 240),
    (212, 232, 212),
    (228, 216, 240),
    (240, 240, 216),
    (196, 200, 208),
    (240, 220, 224),
)

DARK: Colour = (40, 30, 32)
LIPS: Colour = (192, 64, 72)
PAPER: Colour = (226, 228, 230)
"""The background of product pictures: pale, but distinguishable from a white print."""


def colour_distance(one: Colour, other: Colour) -> float:
    """Return the distance of two colours in RGB, 0 to 441."""
    return dist(one, other)


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour darkened by `factor` in 0 to 1."""
    red, green, blue = (round(channel * factor) for channel in colour)
    return red, green, blue
