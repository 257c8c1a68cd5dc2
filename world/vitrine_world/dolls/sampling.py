"""Draws pairs of a person and a garment; a seed and an index identify each pair."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from vitrine_orchestrator.person.labels import CATEGORIES, Category

from vitrine_world.dolls.figure import ASPECT, HAND, LOWER_ARM, figure
from vitrine_world.dolls.garment import FORMS, PATTERNS, Form, Garment
from vitrine_world.dolls.palette import (
    GARMENT_COLOURS,
    HAIRS,
    PATTERN_COLOURS,
    SHOES,
    SKINS,
    WALLS,
    Colour,
    colour_distance,
    shade,
)
from vitrine_world.dolls.person import HAIR_STYLES, Background, Person, Pose, wear

Choice = TypeVar("Choice")

CLEAR = 90.0
"""RGB distance above which two neighbouring colours can be distinguished."""

PRINT_CLEAR, HAIR_CLEAR = 1.6 * CLEAR, 0.6 * CLEAR
"""The same for a pattern, whose shapes are small, and for hair, whose position at the face is known."""

SOLID_SHARE = 0.4  # share of garments without a pattern
MARGIN = 0.02
"""Least distance of the body from the picture's edge, in picture heights."""

TRUNK, LIMB_RADIUS = 0.11, 0.03
"""Largest half width of the torso, and of a limb around its axis, in body heights."""

LENGTHS = {"short": 0, "knee": 1, "long": 2}
"""Rank of each length. A person who tries on a dress wears something at least as long, because the mask rule
keeps bare legs."""


@dataclass(frozen=True)
class Sample:
    """A try-on with its exact result: `target` is `person` in `garment`."""

    person: Person
    garment: Garment
    category: Category
    target: Person


@dataclass(frozen=True)
class ArmPose:
    """Ranges in degrees of the upper and the lower arm, and how often the pose is drawn."""

    upper: tuple[float, float]
    lower: tuple[float, float]
    share: float


ARM_POSES = (
    ArmPose((14.0, 22.0), (4.0, 18.0), 0.35),  # down
    ArmPose((24.0, 46.0), (16.0, 46.0), 0.25),  # out
    ArmPose((42.0, 50.0), (-44.0, -36.0), 0.15),  # hand at the hip
    ArmPose((30.0, 55.0), (90.0, 150.0), 0.12),  # bent up
    ArmPose((44.0, 64.0), (44.0, 100.0), 0.13),  # raised to the side
)


def sample(seed: int, index: int, category: Category | None = None) -> Sample:
    """Return the sample of a seed and index, always the same one; without `category` it is a random one.

    Raises ValueError for an unknown category.
    """
    if category is not None and category not in CATEGORIES:
        raise ValueError(f"category must be one of {CATEGORIES}, got {category!r}")
    rng = np.random.default_rng([seed, index])
    drawn = CATEGORIES[rng.integers(len(CATEGORIES))]
    category = category or drawn
    skin = _pick(rng, SKINS)
    wall = _pick(rng, WALLS)
    form = _pick(rng, [form for form in FORMS if form.category == category])
    garment = _garment(rng, form, [skin, wall])
    person = _person(rng, skin, wall, _worn(rng, garment, skin, wall))
    return Sample(person, garment, category, wear(person, garment))


def _pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """Draw one of the choices, all with equal probability."""
    return choices[int(rng.integers(len(choices)))]


def _pair(rng: np.random.Generator, low: float, high: float) -> tuple[float, float]:
    """Draw two numbers between `low` and `high`."""
    return float(rng.uniform(low, high)), float(rng.uniform(low, high))


def _garment(rng: np.random.Generator, form: Form, others: list[Colour]) -> Garment:
    """Draw a garment of a form, with colours that can be distinguished from `others`, its neighbours."""
    colours = [
        name for name, rgb in GARMENT_COLOURS.items() if all(colour_distance(rgb, o) > CLEAR for o in others)
    ]
    colour = _pick(rng, colours)
    pattern, pattern_colour = "solid", ""
    if rng.random() >= SOLID_SHARE:
        pattern = _pick(rng, [name for name in PATTERNS if name != "solid"])
        base = GARMENT_COLOURS[colour]
        prints = [name for name, rgb in PATTERN_COLOURS.items() if colour_distance(rgb, base) > PRINT_CLEAR]
        pattern_colour = _pick(rng, prints)
    return Garment(form.category, form.kind, form.sleeve, form.length, colour, pattern, pattern_colour)


def _worn(rng: np.random.Generator, requested: Garment, skin: Colour, wall: Colour) -> tuple[Garment, ...]:
    """Draw what the person wears: an upper and a lower garment, or sometimes a dress if one is requested."""
    others = [skin, wall, GARMENT_COLOURS[requested.colour]]
    covers = [form for form in FORMS if LENGTHS.get(form.length, -1) >= LENGTHS.get(requested.length, -1)]
    if requested.category == "dresses" and rng.random() < 0.5:
        return (_garment(rng, _pick(rng, [form for form in covers if form.category == "dresses"]), others),)
    upper = _garment(rng, _pick(rng, [form for form in FORMS if form.category == "upper_body"]), others)
    lowers = covers if requested.category == "dresses" else FORMS
    form = _pick(rng, [form for form in lowers if form.category == "lower_body"])
    return upper, _garment(rng, form, [*others, GARMENT_COLOURS[upper.colour]])


def _person(rng: np.random.Generator, skin: Colour, wall: Colour, worn: tuple[Garment, ...]) -> Person:
    build = float(rng.uniform(0.92, 1.12))
    floor = shade(wall, 0.86) if rng.random() < 0.6 else wall
    background = Background(wall, floor, float(rng.uniform(0.80, 0.90)))
    hair = _pick(rng, HAIR_STYLES)
    hair_colour = _pick(rng, [colour for colour in HAIRS if colour_distance(colour, skin) > HAIR_CLEAR])
    places = {"upper_body": "upper", "lower_body": "lower", "dresses": "dress"}
    outfit = {places[garment.category]: garment for garment in worn}
    shoes = _pick(rng, SHOES)
    return Person(_pose(rng, build), build, skin, hair, hair_colour, shoes, background, **outfit)


def _pose(rng: np.random.Generator, build: float) -> Pose:
    """Draw a pose in which the whole body is inside the picture."""
    right, left = (ARM_POSES[arm] for arm in _arms(rng))
    uppers = float(rng.uniform(*right.upper)), float(rng.uniform(*left.upper))
    lowers = float(rng.uniform(*right.lower)), float(rng.uniform(*left.lower))
    upper_legs, lower_legs = _pair(rng, 1.5, 3.5), _pair(rng, -3.0, -1.0)
    height, lean = float(rng.uniform(0.84, 0.93)), float(rng.uniform(-3.0, 3.0))
    pose = Pose(height, (ASPECT / 2.0, 0.5), lean, uppers, lowers, upper_legs, lower_legs)
    low, high = _reach(pose, build)
    height = min(height, (ASPECT - 2.0 * MARGIN) / (high - low))
    slack = max(0.0, (ASPECT - (high - low) * height) / 2.0 - MARGIN)
    x = (ASPECT - (low + high) * height) / 2.0 + rng.uniform(-0.6, 0.6) * slack
    y = 0.5 + rng.uniform(-1.0, 1.0) * max(0.0, 0.5 - MARGIN - height * 0.52)
    return replace(pose, height=height, centre=(float(x), float(y)))


def _arms(rng: np.random.Generator) -> tuple[int, int]:
    """Draw indices into ARM_POSES for the right and the left arm; more than half the draws are equal."""
    right, left = rng.choice(len(ARM_POSES), size=2, p=[pose.share for pose in ARM_POSES])
    return (right, right) if rng.random() < 0.5 else (right, left)


def _reach(pose: Pose, build: float) -> tuple[float, float]:
    """Return the body's extent to the left (negative) and right of its middle, in body heights."""
    body = figure(pose, build)
    turn = np.radians(pose.lean)
    hands = [arm.end + (arm.end - arm.middle) * HAND / LOWER_ARM for arm in body.arms]
    points = np.array([joint for limb in body.arms + body.legs for joint in (limb.middle, limb.end)] + hands)
    across = points[:, 0] * np.cos(turn) - (points[:, 1] - 0.5) * np.sin(turn)
    return float(min(across.min(), -TRUNK)) - LIMB_RADIUS, float(max(across.max(), TRUNK)) + LIMB_RADIUS
