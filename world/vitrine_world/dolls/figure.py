"""The skeleton of a doll: joints in body units, and the body's position in the picture.

Body units: the origin is the crown's middle, x to the right of the picture, y down, 1 is the body's height.
The proportions are those of a paper doll of about six heads. "Right" and "left" are the person's own sides; a
frontal person's right is on the picture's left.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrine_world.dolls.person import Person, Pose
from vitrine_world.dolls.shapes import Frame, Points, polygon

ASPECT = 0.75
"""Width of the picture in picture heights; another shape stretches the picture."""

SIDES = (-1.0, 1.0)
"""The sign of x on the person's right and left."""

NECK = (0.0, 0.208)
SHOULDER = (0.082, 0.234)
HIP = (0.052, 0.500)
UPPER_ARM, LOWER_ARM, HAND = 0.155, 0.140, 0.040
UPPER_LEG, LOWER_LEG = 0.215, 0.210
FACE = {"nose": (0.0, 0.110), "eye": (0.026, 0.088), "ear": (0.057, 0.094)}
"""Points of the face; x of eye and ear is mirrored."""


@dataclass(frozen=True)
class Limb:
    """Three joints of an arm or leg, each (2,) in body units; `side` is -1 for the person's right."""

    side: float
    root: Points
    middle: Points
    end: Points


@dataclass(frozen=True)
class Figure:
    """The posed skeleton; `build` multiplies widths. Arms and legs are (right, left)."""

    build: float
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]


def _limb(
    side: float,
    root: tuple[float, float],
    build: float,
    angles: tuple[float, float],
    lengths: tuple[float, float],
) -> Limb:
    start = polygon((side * root[0] * build, root[1]))[0]
    steps = [
        length * np.array([side * np.sin(turn), np.cos(turn)])
        for turn, length in zip(np.radians(angles), lengths, strict=True)
    ]
    return Limb(side, start, start + steps[0], start + steps[0] + steps[1])


def figure(pose: Pose, build: float) -> Figure:
    """Return the joints of a body with this build in this pose."""
    arms = [
        _limb(side, SHOULDER, build, (upper, lower), (UPPER_ARM, LOWER_ARM))
        for side, upper, lower in zip(SIDES, pose.upper_arms, pose.lower_arms, strict=True)
    ]
    legs = [
        _limb(side, HIP, build, (upper, lower), (UPPER_LEG, LOWER_LEG))
        for side, upper, lower in zip(SIDES, pose.upper_legs, pose.lower_legs, strict=True)
    ]
    return Figure(build, (arms[0], arms[1]), (legs[0], legs[1]))


def placement(pose: Pose) -> Frame:
    """Return the frame from body units to the picture, x and y in 0 to 1 of its width and height."""
    turn = np.radians(pose.lean)
    stretch = np.array([1.0 / ASPECT, 1.0])
    axes = pose.height * stretch * [(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))]
    return Frame(pose.centre * stretch - 0.5 * axes[1], axes)


def keypoints(person: Person) -> NDArray[np.float64]:
    """Return the 18 OpenPose points (18, 3): x and y in 0 to 1 of the picture, and 1 if visible, else 0."""
    body = figure(person.pose, person.build)
    nose, eye, ear = FACE["nose"], FACE["eye"], FACE["ear"]
    joints = [np.array(nose), np.array(NECK)]
    for limb in body.arms + body.legs:
        joints += [limb.root, limb.middle, limb.end]
    joints += [polygon((-eye[0], eye[1]), eye), polygon((-ear[0], ear[1]), ear)]
    points = placement(person.pose).place(np.vstack(joints))
    visible = np.all((points >= 0.0) & (points < 1.0), axis=1)
    return np.concatenate([points, visible[:, None]], axis=1)
