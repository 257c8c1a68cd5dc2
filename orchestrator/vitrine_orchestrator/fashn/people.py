"""Finds people in a picture with the stages `yolox` and `dwpose`, and chooses the one to dress."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.fashn import dwpose
from vitrine_orchestrator.fashn.pose_picture import BODY, FACE, Pose
from vitrine_orchestrator.images.fitting import Box
from vitrine_orchestrator.person.choice import Choice, by_size, chosen
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.stages.fashn import MOST_CROPS

MOST_PEOPLE = 16
"""Boxes of one picture that are looked at, the surest first."""
LEAST_JOINTS = 5
"""Joints of the body that must be seen for a person: fewer are also found in clothes and furniture."""


@dataclass(frozen=True, eq=False)
class People:
    """The joints of n people, (n, 134, 2) in px of the picture and scores (n, 134); n may be 0."""

    points: np.ndarray
    scores: np.ndarray
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.points)


async def find_people(stages: Timed, picture: Picture, *, whole: bool) -> People:
    """The people in a picture (H, W, 3) uint8 RGB with at least LEAST_JOINTS joints of the body.

    whole: where the detector finds nobody, look for joints in the whole picture, as the released code does.
    """
    height, width = picture.shape[:2]
    seen = np.ascontiguousarray(picture[..., ::-1])
    image, scale = await asyncio.to_thread(dwpose.letterbox, seen)
    answer = (await stages("yolox", {"image": image}))["boxes"]
    boxes = dwpose.person_boxes(answer, scale)[:MOST_PEOPLE]
    if whole:
        boxes = dwpose.boxes_or_whole(boxes, width, height)
    found = [
        one
        for first in range(0, len(boxes), MOST_CROPS)
        for one in await _joints(stages, seen, boxes[first : first + MOST_CROPS])
    ]
    kept = [one for one in found if (one[1][:BODY] > dwpose.SEEN).sum() >= LEAST_JOINTS]
    joints = dwpose.JOINTS
    points = np.stack([one[0] for one in kept]) if kept else np.zeros((0, joints, 2))
    scores = np.stack([one[1] for one in kept]) if kept else np.zeros((0, joints))
    return People(points, scores, width, height)


async def _joints(stages: Timed, seen: Picture, boxes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points (134, 2) and scores (134,) of the person in each box of a BGR picture."""
    crops = [dwpose.crop_of(box) for box in boxes]
    images = np.stack([dwpose.normalised(dwpose.warped(seen, *crop)) for crop in crops])
    answer = await stages("dwpose", {"image": images})
    pairs = zip(answer["simcc_x"], answer["simcc_y"], crops, strict=True)
    return [dwpose.joints_of(across, down, *crop) for across, down, crop in pairs]


def choose(people: People, choice: Choice) -> Pose:
    """The pose of the person to dress: the largest, or the caller's choice. BadRequest when there is none."""
    if not len(people):
        raise BadRequest(
            "person must show a person, and none was found: send a photograph that shows one person from the "
            "front, upright, from the head to below the garment"
        )
    if not choice.is_made:
        return dwpose.largest_person(people.points, people.scores, people.width, people.height)
    joints = [_as_joints(people, number) for number in range(len(people))]
    ordered = by_size(joints)
    wanted = ordered[chosen(ordered, choice)]
    number = next(at for at, one in enumerate(joints) if one is wanted)
    one = slice(number, number + 1)
    return dwpose.largest_person(people.points[one], people.scores[one], people.width, people.height)


def _as_joints(people: People, number: int) -> np.ndarray:
    """The body of one person, (18, 3) float32: x, y in shares of the picture and a score; 0 where unseen."""
    points = people.points[number, :BODY] / (people.width, people.height)
    scores = people.scores[number, :BODY, None]
    return np.where(scores > dwpose.SEEN, np.concatenate((points, scores), axis=1), 0).astype(np.float32)


def keypoints_on(pose: Pose, place: Box, canvas: tuple[int, int]) -> np.ndarray:
    """The body's joints, (18, 3) float32: x, y in shares of the canvas and 1 where seen; 0 elsewhere."""
    seen = pose.subset >= 0
    return np.where(
        seen[:, None], np.concatenate((_moved(pose.body, place, canvas), seen[:, None]), axis=1), 0
    ).astype(np.float32)


def face_on(pose: Pose, place: Box, canvas: tuple[int, int]) -> np.ndarray:
    """The face's points on the canvas, (68, 2) float32 in shares of the canvas; -1 where unseen."""
    unseen = np.asarray((pose.face < 0).any(axis=1))
    assert len(pose.face) == FACE
    return np.where(unseen[:, None], -1, _moved(pose.face, place, canvas)).astype(np.float32)


def _moved(shares: np.ndarray, place: Box, canvas: tuple[int, int]) -> np.ndarray:
    left, top, right, bottom = place
    return (shares * (right - left, bottom - top) + (left, top)) / canvas
