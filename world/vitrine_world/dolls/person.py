"""Drawn people: what one is, and what it means that a person wears another garment."""

from dataclasses import dataclass, replace

from vitrine_world.dolls.garment import Garment
from vitrine_world.dolls.palette import Colour

HAIR_STYLES = ("short", "bob", "long", "bun")


@dataclass(frozen=True)
class Pose:
    """Where a frontal standing figure is and how it holds its limbs.

    `height` is that of the body in picture heights; `centre` is the middle of the body as (x, y) in picture
    heights, so x runs from 0 to 0.75; `lean` turns the figure, clockwise in degrees. Limb angles are in
    degrees from straight down, outwards positive, as (right, left) of the person's own sides.
    """

    height: float
    centre: tuple[float, float]
    lean: float
    upper_arms: tuple[float, float]
    lower_arms: tuple[float, float]
    upper_legs: tuple[float, float]
    lower_legs: tuple[float, float]


@dataclass(frozen=True)
class Background:
    """A flat wall and, where `floor_line` (in picture heights) is below 1, a floor strip."""

    wall: Colour
    floor: Colour
    floor_line: float


@dataclass(frozen=True)
class Person:
    """A paper doll in separates (`upper` and `lower`) or in a `dress`.

    `build` multiplies the width of the body; `hair` is a name of HAIR_STYLES.
    """

    pose: Pose
    build: float
    skin: Colour
    hair: str
    hair_colour: Colour
    shoes: Colour
    background: Background
    upper: Garment | None = None
    lower: Garment | None = None
    dress: Garment | None = None

    def __post_init__(self) -> None:
        """Refuse unknown hair, and anything but separates or a dress of their own category (ValueError)."""
        if self.hair not in HAIR_STYLES:
            raise ValueError(f"hair must be one of {HAIR_STYLES}, got {self.hair!r}")
        if (self.dress is None) == (self.upper is None and self.lower is None):
            raise ValueError("a person must wear either separates or a dress")
        if self.dress is None and (self.upper is None or self.lower is None):
            raise ValueError("separates must be both an upper and a lower garment")
        places = {"upper_body": self.upper, "lower_body": self.lower, "dresses": self.dress}
        for category, garment in places.items():
            if garment is not None and garment.category != category:
                raise ValueError(f"{category} must hold a garment of that category, got {garment.category}")

    @property
    def worn(self) -> tuple[Garment, ...]:
        """The garments on the body, the innermost first."""
        return tuple(garment for garment in (self.upper, self.lower, self.dress) if garment is not None)


def wear(person: Person, garment: Garment) -> Person:
    """The same person in `garment`: an upper or lower garment replaces its like, a dress replaces all.

    ValueError where a separate is put on a person in a dress: what the other half would be is unknown.
    """
    if garment.category == "dresses":
        return replace(person, upper=None, lower=None, dress=garment)
    if person.dress is not None:
        raise ValueError(f"{garment.category} needs a person in separates, got one in a dress")
    if garment.category == "upper_body":
        return replace(person, upper=garment)
    return replace(person, lower=garment)
