"""Builds the layers of a dressed person with ATR labels and of the undressed body with DensePose labels.

ATR labels are those of SCHP, with 18 for the neck. Where DensePose has one label for the front and one for
the back of a part, the front's is used. ATR has no label for a bare midriff; it counts as upper clothes, so
that the mask of a cropped shirt reaches the waist.
"""

from collections.abc import Iterator

import numpy as np
from vitrine_orchestrator.person.labels import Label

from vitrine_world.dolls.clothes import ARM_RADII, LEG_RADII, WAIST, Cutter, body_width
from vitrine_world.dolls.figure import FACE, HAND, Figure, Limb, figure
from vitrine_world.dolls.garment import Garment
from vitrine_world.dolls.layers import Layer
from vitrine_world.dolls.palette import DARK, LIPS, Colour, shade
from vitrine_world.dolls.person import Person
from vitrine_world.dolls.shapes import Points, ellipse, limb, mirrored, polygon

SHOE_LABELS = (Label.RIGHT_SHOE, Label.LEFT_SHOE)
LEG_LABELS = (Label.RIGHT_LEG, Label.LEFT_LEG)
ARM_LABELS = (Label.RIGHT_ARM, Label.LEFT_ARM)
"""ATR labels as (right, left)."""

TORSO_PART, HEAD_PARTS = 2, (23, 24)
HAND_PARTS, FOOT_PARTS = (3, 4), (6, 5)
UPPER_LEG_PARTS, LOWER_LEG_PARTS = (9, 10), (13, 14)
UPPER_ARM_PARTS, LOWER_ARM_PARTS = (16, 15), (20, 19)
"""DensePose labels as (right, left)."""

HEAD = (0.0, 0.088, 0.061, 0.080)  # x, y and half axes in body units
CHEST = 0.27
"""y that divides the bare torso: smaller is labelled neck, larger is midriff."""


def _upper(arm: Limb, radii: tuple[float, float, float], build: float) -> Points:
    return limb(arm.root, arm.middle, radii[0] * build, radii[1] * build)


def _lower(arm: Limb, radii: tuple[float, float, float], build: float) -> Points:
    return limb(arm.middle, arm.end, radii[1] * build, radii[2] * build)


def _hand(arm: Limb) -> Points:
    step = (arm.end - arm.middle) / np.hypot(*(arm.end - arm.middle))
    return limb(arm.end + 0.008 * step, arm.end + HAND * step, 0.021, 0.017)


def _foot(leg: Limb) -> Points:
    x, y = leg.end
    return ellipse(x + leg.side * 0.010, y + 0.033, 0.034, 0.024)


def _torso(build: float, top: float, bottom: float) -> Points:
    ys = np.linspace(top, bottom, 9)
    return mirrored(np.stack([body_width(ys), ys], axis=1)) * (build, 1.0)


def _neck() -> Points:
    return mirrored(polygon((0.027, 0.140), (0.027, 0.190), (0.075, 0.206)))


def scene(person: Person) -> list[Layer]:
    """Return the dressed person's layers with ATR labels, from back to front, without the background."""
    body = figure(person.pose, person.build)
    cuts = [Cutter(garment, body) for garment in person.worn]
    layers = [*_back_hair(person), *_legs(person, body), *_bare_torso(person), *_upper_arms(person, body)]
    for cut in cuts:
        layers += trunk(cut)
    layers += _shoes(person, body)
    for cut in cuts:
        layers += cut.sleeves(lower=False)
    layers += _lower_arms(person, body)
    for cut in cuts:
        layers += cut.sleeves(lower=True)
    return [*layers, *_head(person)]


def trunk(cut: Cutter) -> list[Layer]:
    """Return the layers of a garment without its sleeves."""
    panels = {
        "shirt": cut.bodice,
        "dress": cut.gown,
        "skirt": cut.skirt,
        "trousers": cut.legs,
        "shorts": cut.legs,
    }
    return list(panels[cut.garment.kind]())


def product(garment: Garment, body: Figure) -> list[Layer]:
    """Return the layers of a garment alone, in the pose of `body`."""
    cut = Cutter(garment, body)
    return [*trunk(cut), *cut.sleeves(lower=False), *cut.sleeves(lower=True)]


def bare_body(person: Person) -> list[Layer]:
    """Return the undressed body's layers with DensePose labels, from back to front."""
    body = figure(person.pose, person.build)
    layers = [_part(_torso(person.build, 0.20, 0.53), TORSO_PART), _part(_neck(), TORSO_PART)]
    for leg, upper, lower, foot in zip(body.legs, UPPER_LEG_PARTS, LOWER_LEG_PARTS, FOOT_PARTS, strict=True):
        layers += [
            _part(_upper(leg, LEG_RADII, body.build), upper),
            _part(_lower(leg, LEG_RADII, body.build), lower),
        ]
        layers.append(_part(_foot(leg), foot))
    for arm, upper, lower, hand in zip(body.arms, UPPER_ARM_PARTS, LOWER_ARM_PARTS, HAND_PARTS, strict=True):
        layers += [_part(_upper(arm, ARM_RADII, body.build), upper), _part(_hand(arm), hand)]
        layers.append(_part(_lower(arm, ARM_RADII, body.build), lower))
    x, y, across, along = HEAD
    layers.append(_part(ellipse(x, y, across, along, 90.0, 270.0), HEAD_PARTS[0]))
    layers.append(_part(ellipse(x, y, across, along, -90.0, 90.0), HEAD_PARTS[1]))
    return layers


def _part(outline: Points, label: int) -> Layer:
    return Layer(outline, (label, label, label), label)


def _legs(person: Person, body: Figure) -> Iterator[Layer]:
    for leg, label in zip(body.legs, LEG_LABELS, strict=True):
        yield Layer(_upper(leg, LEG_RADII, body.build), person.skin, label)
        yield Layer(_lower(leg, LEG_RADII, body.build), person.skin, label)


def _shoes(person: Person, body: Figure) -> Iterator[Layer]:
    for leg, label in zip(body.legs, SHOE_LABELS, strict=True):
        yield Layer(_foot(leg), person.shoes, label)


def _bare_torso(person: Person) -> Iterator[Layer]:
    yield Layer(_torso(person.build, CHEST, WAIST + 0.01), person.skin, Label.UPPER_CLOTHES)
    yield Layer(_torso(person.build, 0.20, CHEST), person.skin, Label.NECK)
    yield Layer(_neck(), shade(person.skin, 0.9), Label.NECK)


def _upper_arms(person: Person, body: Figure) -> Iterator[Layer]:
    for arm, label in zip(body.arms, ARM_LABELS, strict=True):
        yield Layer(_upper(arm, ARM_RADII, body.build), person.skin, label)


def _lower_arms(person: Person, body: Figure) -> Iterator[Layer]:
    for arm, label in zip(body.arms, ARM_LABELS, strict=True):
        yield Layer(_hand(arm), person.skin, label)
        yield Layer(_lower(arm, ARM_RADII, body.build), person.skin, label)


def _back_hair(person: Person) -> Iterator[Layer]:
    across = HEAD[2]
    shapes: dict[str, Points] = {
        "bob": mirrored(
            polygon((across, 0.05), (across + 0.016, 0.10), (across + 0.014, 0.168), (0.0, 0.172))
        ),
        "long": mirrored(
            polygon((across, 0.05), (across + 0.018, 0.12), (across + 0.022, 0.250), (0.0, 0.255))
        ),
        "bun": ellipse(0.0, -0.002, 0.030, 0.028),
    }
    if person.hair in shapes:
        yield Layer(shapes[person.hair], person.hair_colour, Label.HAIR)


def _head(person: Person) -> Iterator[Layer]:
    x, y, across, along = HEAD
    skin: Colour = person.skin
    for side in (-1.0, 1.0):
        yield Layer(ellipse(side * across, 0.094, 0.010, 0.016), skin, Label.FACE)
    yield Layer(ellipse(x, y, across, along), skin, Label.FACE)
    for side in (-1.0, 1.0):
        yield Layer(
            ellipse(side * FACE["eye"][0], FACE["eye"][1], 0.0085, 0.0115, corners=16), DARK, Label.FACE
        )
    yield Layer(ellipse(0.0, 0.128, 0.020, 0.012, 0.0, 180.0, corners=12), LIPS, Label.FACE)
    yield Layer(ellipse(0.0, 0.112, 0.006, 0.005, corners=12), shade(skin, 0.85), Label.FACE)
    crown = ellipse(x, y, across + 0.006, along + 0.007, 170.0, 370.0)
    fringe = polygon((0.050, 0.062), (0.022, 0.050), (-0.020, 0.046), (-0.048, 0.062))
    yield Layer(np.concatenate([crown, fringe]), person.hair_colour, Label.HAIR)
