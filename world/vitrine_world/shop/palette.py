"""The colours of the paper shop: RGB, 0 to 255, easy to tell apart by eye."""

from dataclasses import dataclass
from math import dist

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ProductColour:
    """A colour of products: its words, its own RGB, and the RGB of what contrasts with it."""

    english: str
    korean: str
    main: Colour
    accent: Colour
    label: Colour


CREAM_LABEL, DARK_LABEL = (250, 244, 228), (58, 52, 74)

PRODUCT_COLOURS = {
    row.english: row
    for row in (
        ProductColour("red", "빨간", (208, 36, 44), (248, 204, 72), CREAM_LABEL),
        ProductColour("orange", "주황색", (244, 126, 20), (96, 52, 28), CREAM_LABEL),
        ProductColour("yellow", "노란", (250, 212, 40), (60, 64, 72), CREAM_LABEL),
        ProductColour("green", "초록색", (36, 148, 72), (244, 200, 80), CREAM_LABEL),
        ProductColour("blue", "파란", (32, 92, 212), (252, 176, 48), CREAM_LABEL),
        ProductColour("purple", "보라색", (120, 52, 172), (244, 188, 84), CREAM_LABEL),
        ProductColour("pink", "분홍색", (244, 124, 172), (128, 32, 84), CREAM_LABEL),
        ProductColour("white", "흰", (246, 247, 250), (40, 110, 150), DARK_LABEL),
    )
}
"""What a product can be made in."""

TONES: dict[str, Colour] = {
    "paper": (250, 246, 236),
    "white": (246, 248, 250),
    "ink": (44, 40, 48),
    "coal": (74, 74, 84),
    "metal": (186, 192, 200),
    "steel": (132, 140, 152),
    "gold": (220, 170, 62),
    "glass": (196, 226, 236),
    "wood": (160, 106, 62),
    "dark wood": (104, 66, 42),
    "board": (48, 72, 64),
    "bread": (222, 156, 80),
    "crust": (168, 100, 44),
    "cookie": (240, 196, 128),
    "leaf": (66, 150, 76),
    "dark leaf": (38, 104, 62),
    "clay": (196, 106, 72),
    "tomato": (214, 58, 48),
    "carrot": (240, 134, 36),
    "lemon": (246, 214, 72),
    "rose": (228, 92, 128),
    "blush": (246, 178, 196),
    "sky": (92, 168, 226),
    "navy": (44, 62, 116),
    "teal": (38, 140, 140),
    "violet": (132, 92, 184),
    "cross": (24, 152, 96),
    "velvet": (84, 36, 84),
    "pearl": (246, 238, 226),
    "gem": (120, 214, 230),
    "coffee": (92, 56, 36),
}
"""What props, the walls' decoration and the fixed parts of products are made of."""

PAPER: Colour = (252, 250, 244)
INK: Colour = (48, 44, 56)
"""The ground and the line of the style "line"."""


def colour_distance(one: Colour, other: Colour) -> float:
    """Return the distance of two colours in RGB, 0 to 441."""
    return dist(one, other)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """Return `one` mixed with `share` (0 to 1) of `other`."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(one, other, strict=True))
    return red, green, blue


def product_tones(colour: str) -> dict[str, Colour]:
    """Return TONES and the tones of a product of that colour: main, dark, light, accent and label."""
    row = PRODUCT_COLOURS[colour]
    return TONES | {
        "main": row.main,
        "dark": mixed(row.main, (24, 12, 40), 0.26),
        "light": mixed(row.main, (255, 255, 255), 0.4) if colour != "white" else (216, 222, 232),
        "accent": row.accent,
        "label": row.label,
    }
