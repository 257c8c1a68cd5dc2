"""Computes the panels of a garment that fit a figure's torso, arms and legs."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from vitrine_orchestrator.person.labels import Label

from vitrine_world.dolls.figure import HIP, SHOULDER, Figure, Limb
from vitrine_world.dolls.garment import Garment
from vitrine_world.dolls.layers import Layer, Print
from vitrine_world.dolls.palette import GARMENT_COLOURS, PATTERN_COLOURS
from vitrine_world.dolls.patterns import Cloth, Emblem, printed
from vitrine_world.dolls.shapes import Frame, Points, limb, limb_frame, mirrored, polygon

EASE = 0.007
"""Distance of the cloth from the body, in body units."""

WAIST = 0.440
"""y where lower garments begin; they cover the hem of a shirt."""

HEMS = {"cropped": 0.385, "regular": 0.450}
"""y where a shirt ends."""

FLARES = {"short": 0.016, "knee": 0.020, "long": 0.012}
"""Distance of a skirt's hem from the legs: small, so that it stays inside the mask grown from trousers."""

ARM_RADII = (0.030, 0.026, 0.020)
LEG_RADII = (0.046, 0.037, 0.030)
"""At the root, the middle and the end of a limb."""

TROUSER_RADII = (0.046, 0.040, 0.036)
"""Radii of trousers, which narrow less than legs."""

_LABELS = {
    "shirt": Label.UPPER_CLOTHES,
    "skirt": Label.SKIRT,
    "trousers": Label.PANTS,
    "shorts": Label.PANTS,
    "dress": Label.DRESS,
}
_SLEEVE_ENDS = {"sleeveless": (0.0, 0.0), "short": (0.62, 0.0), "long": (1.0, 0.97), "none": (0.0, 0.0)}
"""Share of the upper and of the lower arm that a sleeve covers."""
_LEG_ENDS = {"short": (0.62, 0.0), "long": (1.0, 0.93)}
"""Share of the upper and of the lower leg that trousers cover."""
_HEM_HEIGHTS = {"short": (0.62, 0.0), "knee": (1.0, 0.06), "long": (1.0, 0.84)}
"""Share of the upper and of the lower leg at which a skirt ends."""

BODICE_EMBLEM, SKIRT_EMBLEM, LEG_EMBLEM = (0.0, 0.305, 0.046), (0.0, 0.535, 0.040), (0.0, 0.560, 0.028)
"""Position of a logo as (u, v, radius): on the chest, on the front of a skirt, on the left thigh."""


@dataclass(frozen=True)
class Tube:
    """The cloth around a limb: radii without EASE, v at the limb's root, and `Cloth.shift`."""

    radii: tuple[float, float, float]
    start: float
    shift: float


SLEEVE = Tube(ARM_RADII, SHOULDER[1], 0.5)
TROUSER_LEG = Tube(TROUSER_RADII, HIP[1], 0.0)


class Cutter:
    """Computes the panels of one garment for one figure."""

    def __init__(self, garment: Garment, body: Figure) -> None:
        self.garment, self.body = garment, body
        self.torso = Frame(np.zeros(2), np.diag([body.build, 1.0]))

    def panel(self, outline: Points, frame: Frame, cloth: Cloth) -> Layer:
        """Return a panel with `outline` in body units and the pattern in the coordinates of `frame`."""
        colour, label = GARMENT_COLOURS[self.garment.colour], _LABELS[self.garment.kind]
        shapes = printed(self.garment.pattern, cloth)
        if shapes is None:
            return Layer(outline, colour, label)
        placed = frame.place(shapes.reshape(-1, 2)).reshape(shapes.shape)
        return Layer(outline, colour, label, Print(placed, PATTERN_COLOURS[self.garment.pattern_colour]))

    def bodice(self) -> list[Layer]:
        """Return the panel of a shirt's torso."""
        hem = HEMS[self.garment.length]
        half = np.concatenate([_neckline(self.garment), _sides(hem)])
        outline = self.torso.place(mirrored(half))
        return [self.panel(outline, self.torso, Cloth(0.13, 0.17, hem, (0.0, 0.305, 0.046)))]

    def gown(self) -> list[Layer]:
        """Return the panel of a dress's torso and skirt."""
        half = self.torso.place(np.concatenate([_neckline(self.garment), _sides(0.46)]))
        hem = self.hem()
        outline = np.concatenate([half, hem, half[::-1] * (-1.0, 1.0)])
        return [self.panel(outline, self.torso, Cloth(0.24, 0.17, 1.0, (0.0, 0.305, 0.046)))]

    def skirt(self) -> list[Layer]:
        """Return the panel of a skirt, from the waist on."""
        half = self.torso.place(_waistband())
        outline = np.concatenate([half, self.hem(), half[::-1] * (-1.0, 1.0)])
        return [self.panel(outline, self.torso, Cloth(0.24, WAIST - 0.1, 1.0, (0.0, 0.535, 0.040)))]

    def hem(self) -> Points:
        """Return a skirt's two lower corners (2, 2), left then right, just outside the legs."""
        upper, lower = _HEM_HEIGHTS[self.garment.length]
        corners = []
        for leg in self.body.legs[::-1]:
            corner = leg.root + upper * (leg.middle - leg.root) + lower * (leg.end - leg.middle)
            radius = float(np.interp(upper + lower, (0.0, 1.0, 2.0), LEG_RADII)) * self.body.build
            reach = radius + EASE + FLARES[self.garment.length]
            corners.append(corner + np.array([leg.side * reach, 0.0]))
        return np.array(corners)

    def sleeves(self, lower: bool) -> Iterator[Layer]:
        """Yield the panels of the sleeves on the upper or the lower arms, if the garment covers them."""
        cover = _SLEEVE_ENDS[self.garment.sleeve][lower]
        if cover:
            yield from (self.tube(SLEEVE, arm, lower, cover) for arm in self.body.arms)

    def legs(self) -> Iterator[Layer]:
        """Yield the panels of trousers: for each leg its half of the seat, then the leg."""
        upper, lower = _LEG_ENDS[self.garment.length]
        for leg in self.body.legs:
            yield self.seat(leg)
            yield self.tube(TROUSER_LEG, leg, False, upper, LEG_EMBLEM if leg.side > 0 else None)
            if lower:
                yield self.tube(TROUSER_LEG, leg, True, lower)

    def seat(self, leg: Limb) -> Layer:
        """Return half of the seat, with the pattern of the leg below it."""
        half = np.concatenate([_waistband(), polygon((0.004, 0.545), (-0.002, 0.545), (-0.002, WAIST))])
        outline = self.torso.place(half * (leg.side, 1.0))
        frame = limb_frame(leg.root, leg.middle, HIP[1])
        return self.panel(outline, frame, Cloth(0.16, WAIST - 0.1, 0.6, shift=0.0))

    def tube(
        self, tube: Tube, joints: Limb, lower: bool, cover: float, emblem: Emblem | None = None
    ) -> Layer:
        """Return the panel over the share `cover` (0 to 1) of the upper or lower part of a limb."""
        top, bottom = (joints.middle, joints.end) if lower else (joints.root, joints.middle)
        wide, narrow = tube.radii[lower : lower + 2]
        narrow = wide + cover * (narrow - wide)
        wide, narrow = (radius * self.body.build + EASE for radius in (wide, narrow))
        outline = limb(top, top + cover * (bottom - top), wide, narrow, round_end=cover == 1.0)
        start = tube.start + (float(np.hypot(*(joints.middle - joints.root))) if lower else 0.0)
        cloth = Cloth(0.1, start - 0.1, start + 0.3, emblem, tube.shift)
        return self.panel(outline, limb_frame(top, bottom, start), cloth)


def _neckline(garment: Garment) -> Points:
    """Return corners from the middle of the neckline to the left armpit, in torso coordinates."""
    tip = 0.096 if garment.sleeve == "sleeveless" else 0.101
    return polygon(
        (0.0, 0.232),
        (0.018, 0.229),
        (0.032, 0.216),
        (0.039, 0.193),
        (tip - 0.022, 0.203),
        (tip - 0.006, 0.212),
        (0.096, 0.27),
    )


def _sides(hem: float) -> Points:
    """Return corners of the torso's left side, from below the armpit to `hem`, in torso coordinates."""
    ys = np.array([y for y in (0.30, 0.34, 0.39, 0.43, 0.45, 0.48) if y < hem] + [hem])
    return np.stack([body_width(ys) + EASE, ys], axis=1)


def _waistband() -> Points:
    """Return corners from the left of the waist down to the hip, in torso coordinates."""
    ys = np.array([WAIST, 0.46, 0.48, 0.50])
    return np.stack([body_width(ys) + EASE, ys], axis=1)


def body_width(y: Points) -> Points:
    """Return half the width of the bare torso at heights `y`, without the factor `build`."""
    ys = (0.20, 0.22, 0.27, 0.32, 0.395, 0.44, 0.48, 0.53)
    return np.interp(y, ys, (0.084, 0.096, 0.092, 0.083, 0.074, 0.084, 0.095, 0.098))
