"""Which of several people in a picture is dressed: the largest, one by number, or the one at a point."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from vitrine.errors import BadRequest

from vitrine_orchestrator.person.labels import Label
from vitrine_orchestrator.person.people import LIMBS

Joints = NDArray[np.float32]  # (18, 3): x, y in [0, 1] of the picture, and a score; 0 where missing

RIVAL = 0.3  # share of the chosen person's box that another's must have to take pixels from them
REACH = 0.25  # of a person's box: how far around their joints a point is still theirs


@dataclass(frozen=True)
class Choice:
    """Which person the caller means; nothing set: the largest."""

    index: int | None = None  # 0 is the largest, 1 the next
    point: tuple[float, float] | None = None  # x, y in [0, 1] of the picture

    @property
    def is_made(self) -> bool:
        """Whether the caller chose at all."""
        return self.index is not None or self.point is not None


LARGEST = Choice()


def by_size(people: list[Joints]) -> list[Joints]:
    """People from the largest box around the joints to the smallest; equals from left to right."""
    return sorted(people, key=lambda joints: (-_area(joints), float(_seen(joints)[:, 0].mean())))


def chosen(people: list[Joints], choice: Choice) -> int:
    """The number of the chosen one among people in `by_size`'s order; BadRequest says how many there are."""
    if choice.point is not None:
        return _at_point(people, choice.point)
    index = choice.index or 0
    if index >= len(people):
        raise BadRequest(
            f"person_index must be 0 to {len(people) - 1}, got {index}: {_count(people)} found in the picture"
        )
    return index


def only_theirs(labels: NDArray[np.uint8], people: list[Joints], number: int) -> NDArray[np.uint8]:
    """The label map (H, W) with background wherever another person's joints and limbs are nearer.

    People who are much smaller than the chosen one do not count: often they are none.
    """
    least = RIVAL * _area(people[number])
    others = [joints for one, joints in enumerate(people) if one != number and _area(joints) >= least]
    if not others:
        return labels
    theirs = np.minimum.reduce([_distance(joints, labels.shape) for joints in others])
    return np.where(_distance(people[number], labels.shape) <= theirs, labels, np.uint8(Label.BACKGROUND))


def _at_point(people: list[Joints], point: tuple[float, float]) -> int:
    place = np.array(point)
    near = []
    for number, joints in enumerate(people):
        seen = _seen(joints)
        reach = REACH * np.ptp(seen, axis=0).max()
        if (place >= seen.min(0) - reach).all() and (place <= seen.max(0) + reach).all():
            near.append((float(np.linalg.norm(seen - place, axis=1).min()), number))
    if not near:
        raise BadRequest(
            f"person_point must lie on a person, got a place without one: "
            f"{_count(people)} found in the picture"
        )
    return min(near)[1]


def _count(people: list[Joints]) -> str:
    return "1 person was" if len(people) == 1 else f"{len(people)} people were"


def _seen(joints: Joints) -> NDArray[np.float32]:
    return joints[joints[:, 2] > 0, :2]


def _area(joints: Joints) -> float:
    return float(np.prod(np.ptp(_seen(joints), axis=0)))


def _distance(joints: Joints, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """How far each pixel of (H, W) is from the person's joints and limbs, in pixels."""
    canvas = np.full(shape, 255, np.uint8)
    places = np.rint(joints[:, :2] * (shape[1] - 1, shape[0] - 1)).astype(int).tolist()
    there = joints[:, 2] > 0
    for x, y in (place for place, found in zip(places, there, strict=True) if found):
        cv2.circle(canvas, (x, y), 2, (0,), cv2.FILLED)
    for limb in LIMBS:
        if there[limb.start] and there[limb.end]:
            cv2.line(canvas, places[limb.start], places[limb.end], (0,), 3)
    return np.asarray(cv2.distanceTransform(canvas, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
