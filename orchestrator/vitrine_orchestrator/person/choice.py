"""Chooses one of several people in a picture: the largest, one by number, or the one at a point."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest

from vitrine_orchestrator.person.labels import Label
from vitrine_orchestrator.person.people import LIMBS

Joints = NDArray[np.float32]  # (18, 3): x, y in [0, 1] of the picture, and a score; 0 where missing

MIN_OTHER_SIZE = 0.3  # share of the chosen person's box area; smaller people take no pixels from that person
POINT_MARGIN = 0.25  # share of a person's box side; a point farther from the box chooses nobody


@dataclass(frozen=True)
class Choice:
    """The caller's choice of a person; without one, the largest is taken."""

    index: int | None = None  # 0 is the largest, 1 the second largest
    point: tuple[float, float] | None = None  # x, y in [0, 1] of the picture

    @property
    def is_made(self) -> bool:
        """Whether the caller chose a person."""
        return self.index is not None or self.point is not None


LARGEST = Choice()


def by_size(people: list[Joints]) -> list[Joints]:
    """People from the largest box around their joints to the smallest; equal ones from left to right."""
    return sorted(people, key=lambda joints: (-_area(joints), float(_visible(joints)[:, 0].mean())))


def chosen(people: list[Joints], choice: Choice) -> int:
    """The index of the chosen person among people sorted by `by_size`; BadRequest names their number."""
    if choice.point is not None:
        return _at_point(people, choice.point)
    index = choice.index or 0
    if index >= len(people):
        raise BadRequest(
            f"person_index must be 0 to {len(people) - 1}, got {index}: {_count(people)} found in the picture"
        )
    return index


def without_others(labels: NDArray[np.uint8], people: list[Joints], number: int) -> NDArray[np.uint8]:
    """The label map (H, W) with background where another person's joints and limbs are nearer.

    People much smaller than the chosen one are ignored: many of them are false detections.
    """
    least = MIN_OTHER_SIZE * _area(people[number])
    others = [joints for one, joints in enumerate(people) if one != number and _area(joints) >= least]
    if not others:
        return labels
    theirs = np.minimum.reduce([_distance(joints, labels.shape) for joints in others])
    return np.where(_distance(people[number], labels.shape) <= theirs, labels, np.uint8(Label.BACKGROUND))


def _at_point(people: list[Joints], point: tuple[float, float]) -> int:
    place = np.array(point)
    near = []
    for number, joints in enumerate(people):
        visible = _visible(joints)
        margin = POINT_MARGIN * np.ptp(visible, axis=0).max()
        if (place >= visible.min(0) - margin).all() and (place <= visible.max(0) + margin).all():
            near.append((float(np.linalg.norm(visible - place, axis=1).min()), number))
    if not near:
        raise BadRequest(
            f"person_point must lie on a person, got a place without one: "
            f"{_count(people)} found in the picture"
        )
    return min(near)[1]


def _count(people: list[Joints]) -> str:
    return "1 person was" if len(people) == 1 else f"{len(people)} people were"


def _visible(joints: Joints) -> NDArray[np.float32]:
    return joints[joints[:, 2] > 0, :2]


def _area(joints: Joints) -> float:
    return float(np.prod(np.ptp(_visible(joints), axis=0)))


def _distance(joints: Joints, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The distance of each pixel of (H, W) from the person's joints and limbs, in pixels."""
    canvas = np.full(shape, 255, np.uint8)
    places = np.rint(joints[:, :2] * (shape[1] - 1, shape[0] - 1)).astype(int).tolist()
    there = joints[:, 2] > 0
    for x, y in (place for place, found in zip(places, there, strict=True) if found):
        cv2.circle(canvas, (x, y), 2, (0,), cv2.FILLED)
    for limb in LIMBS:
        if there[limb.start] and there[limb.end]:
            cv2.line(canvas, places[limb.start], places[limb.end], (0,), 3)
    return np.asarray(cv2.distanceTransform(canvas, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
