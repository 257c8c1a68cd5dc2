"""What a composition is asked for: where products stand, their shadows, how their colours change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ShadowKind = Literal["cast", "contact", "floating", "none"]
SHADOWS: tuple[ShadowKind, ...] = ("cast", "contact", "floating", "none")
Side = Literal["left", "right", "centre"]
SIDES: tuple[Side, ...] = ("left", "right", "centre")
PlacedBy = Literal["search", "model"]
PLACED_BY: tuple[PlacedBy, ...] = ("search", "model")
LightWord = Literal["auto", "left", "right", "centre"]
LIGHTS: tuple[LightWord, ...] = ("auto", *SIDES)


@dataclass(frozen=True)
class Placement:
    """Where one product stands; what is None is found. Shares count from the scene's left upper corner."""

    x: float | None = None  # the middle of the product, as a share of the scene's width
    y: float | None = None  # its base line, as a share of the scene's height
    scale: float | None = None  # its height, as a share of the scene's height
    height_cm: float | None = None  # its real height: products with one keep their true proportions
    order: int | None = None  # higher ones are nearer to the viewer; equal ones by their base lines


@dataclass(frozen=True)
class Settings:
    """The settings of a composition."""

    placements: tuple[Placement, ...] = ()  # one for each product, or none
    placed_by: PlacedBy = "search"  # of products without placements; model: a vision model's boxes first
    margin: float = 0.05  # of the scene, which found places leave free, as a share of its sides
    height: float = 0.42  # of the tallest product whose size is found, as a share of the scene's height
    ground: float | None = None  # the base line of products without a y, as a share of the scene's height
    max_overlap: float = 0.25  # the largest alpha-IoU of two products
    shadow: ShadowKind = "cast"
    shadow_strength: float = 1.0  # a factor for the light that shadows take
    light: LightWord = "auto"  # the side that light comes from; auto: as the scene shows it
    match: float = 0.0  # how far colours move towards the scene's, as a share of the way; 0: not at all
    match_bound: float = 6.0  # the most that they move, in delta E (CIE 1976)


NUMBERS: dict[str, tuple[float, float]] = {
    "margin": (0, 0.4),
    "height": (0.02, 1),
    "ground": (0, 1),
    "max_overlap": (0, 1),
    "shadow_strength": (0, 2),
    "match": (0, 1),
    "match_bound": (0, 50),
}
"""The least and the most of every number of Settings."""

PLACEMENT_NUMBERS: dict[str, tuple[float, float]] = {
    "x": (-0.5, 1.5),
    "y": (0, 2),
    "scale": (0.01, 2),
    "height_cm": (0.1, 10_000),
    "order": (-100, 100),
}
"""The same of Placement; a product may stand partly outside of the scene."""

WORDS: dict[str, tuple[str, ...]] = {"shadow": SHADOWS, "light": LIGHTS, "placed_by": PLACED_BY}
"""The words of every setting that is a word."""

MAX_PRODUCTS = 8
"""Of one scene."""
