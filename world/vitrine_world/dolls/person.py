"""The description of a drawn person, and the function that dresses one in another garment."""

from dataclasses import dataclass, replace

from vitrine_world.dolls.garment import Garment
from vitrine_world.dolls.palette import Colour

HAIR_STYLES = ("short", "bob", "long", "bun")


@dataclass(frozen=True)
class Pose:
    """The position and limb angles of a standing figure that faces the viewer.

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
    """A paper doll in two garments (`upper` and `lower`) or in a `dress`.

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
        """Raise ValueError for unknown hair, or garments other than an upper and a lower one, or a dress."""
        if self.hair not in HAIR_STYLES:
            raise ValueError(f"hair must be one of {HAIR_STYLES}, got {self.hair!r}")
        if (self.dress is None) == (self.upper is None and self.lower is None):
            raise ValueError("a person must wear either an upper and a lower garment or a dress")
        if self.dress is None and (self.upper is None or self.lower is None):
            raise ValueError("a person without a dress must wear both an upper and a lower garment")
        places = {"upper_body": self.upper, "lower_body": self.lower, "dresses": self.dress}
        for category, garment in places.items():
            if garment is not None and garment.category != category:
                raise ValueError(f"{category} must hold a garment of that category, got {garment.category}")

    @property
    def worn(self) -> tuple[Garment, ...]:
        """The garments on the body, the innermost first."""
        return tuple(garment for garment in (self.upper, self.lower, self.dress) if garment is not None)


def wear(person: Person, garment: Garment) -> Person:
    """Return the person in `garment`, which replaces the one of its category; a dress replaces both.

    Raises ValueError for an upper or lower garment on a person in a dress, because the other one is unknown.
    """
    if garment.category == "dresses":
        return replace(person, upper=None, lower=None, dress=garment)
    if person.dress is not None:
        raise ValueError(f"{garment.category} needs a person without a dress, got one in a dress")
    if garment.category == "upper_body":
        return replace(person, upper=garment)
    return replace(person, lower=garment)
