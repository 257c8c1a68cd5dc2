"""Which part of a finished canvas is pasted back: what changed, without a face that stayed where it was."""

from __future__ import annotations

import asyncio

import numpy as np

from vitrine_orchestrator.fashn import dwpose
from vitrine_orchestrator.fashn.difference import Points, difference_mask, kept_face
from vitrine_orchestrator.fashn.people import face_on, find_people, keypoints_on
from vitrine_orchestrator.fashn.placing import cut
from vitrine_orchestrator.images.fitting import Box
from vitrine_orchestrator.pictures import Picture
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.arrays import Arrays


async def area_of(stages: Timed, person: Arrays, painted: Picture, place: Box) -> np.ndarray:
    """The mask (H, W) 0/255 of what is taken of a painted canvas (H, W, 3).

    person: the outputs of `prepare_person`.
    place: where the person's picture lies on the canvas.
    """
    with stages.measured("difference"):
        mask = await asyncio.to_thread(difference_mask, person["person_picture"], painted, place)
    before = person["keypoints"], person["face_points"]
    face = kept_face(before, before, mask.shape)
    if face is None or not (mask & face).any():
        return mask
    after = await _points(stages, painted, place)
    face = None if after is None else kept_face(before, after, mask.shape)
    return mask if face is None else mask & ~face


async def _points(stages: Timed, painted: Picture, place: Box) -> Points | None:
    """The points of the largest person in a painted canvas; None where nobody is found."""
    people = await find_people(stages, cut(painted, place), whole=True)
    if not len(people):
        return None
    pose = dwpose.largest_person(people.points, people.scores, people.width, people.height)
    size = painted.shape[1], painted.shape[0]
    return keypoints_on(pose, place, size), face_on(pose, place, size)
