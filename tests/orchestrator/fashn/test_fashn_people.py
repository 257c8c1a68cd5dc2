"""Finding people: letterbox, boxes, joints, several people, nobody."""

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.fashn import dwpose
from vitrine_orchestrator.fashn.people import LEAST_JOINTS, choose, find_people
from vitrine_orchestrator.person.choice import LARGEST, Choice
from vitrine_orchestrator.stages.calls import Timed

PHOTO = np.random.default_rng(0).integers(0, 100, (300, 400, 3), dtype=np.uint8)
NEAR, FAR = (0.05, 0.05, 0.5, 0.95), (0.6, 0.3, 0.8, 0.7)


async def found(world, whole=True):
    return await find_people(Timed(world), PHOTO, whole=whole)


async def test_joints_are_where_the_crop_of_the_box_shows_them(fashn):
    """A joint's share of the crop becomes a pixel of the picture, within a bin of SimCC."""
    world = fashn.World(boxes=(NEAR,))
    people = await found(world)
    centre, size = dwpose.crop_of(np.array(NEAR) * (400, 300, 400, 300))
    nose = fashn.standing[0] * size + centre - size / 2
    assert np.allclose(people.points[0, 0], nose, atol=size.max() / 384)
    neck = people.points[0, 1]
    assert np.allclose(neck, (people.points[0, 2] + people.points[0, 5]) / 2)


async def test_the_largest_of_several_people_is_taken(fashn):
    """Without a choice the larger one is dressed, whichever the detector is surer of."""
    world = fashn.World(boxes=(FAR, NEAR))
    pose = choose(await found(world), LARGEST)
    assert pose.body[0, 0] < 0.5


@pytest.mark.parametrize(
    ("choice", "right"),
    [(Choice(index=0), False), (Choice(index=1), True), (Choice(point=(0.7, 0.5)), True)],
)
async def test_the_caller_may_choose_another_person(fashn, choice, right):
    """By number from the largest, or by a point on the person."""
    pose = choose(await found(fashn.World(boxes=(FAR, NEAR))), choice)
    assert bool(pose.body[0, 0] > 0.5) is right


async def test_a_number_beyond_the_people_is_refused(fashn):
    """The message says how many there are."""
    with pytest.raises(BadRequest, match="2 people were found"):
        choose(await found(fashn.World(boxes=(FAR, NEAR))), Choice(index=2))


async def test_many_people_are_looked_at_in_calls_of_the_stages_batch(fashn):
    """Eleven crops are two calls."""
    world = fashn.World(boxes=[(0.08 * n, 0.2, 0.08 * n + 0.07, 0.8) for n in range(11)])
    assert len(await found(world)) == 11
    assert [len(i["image"]) for n, i in zip(world.calls, world.inputs, strict=True) if n == "dwpose"] == [
        8,
        3,
    ]


async def test_where_nobody_is_detected_the_whole_picture_is_tried(fashn):
    """As the released code does; without it, no pose is sought."""
    world = fashn.World(boxes=())
    assert len(await found(world)) == 1
    assert len(await found(world, whole=False)) == 0
    assert world.calls == ["yolox", "dwpose", "yolox"]


async def test_too_few_joints_are_nobody(fashn):
    """The request is refused with advice."""
    world = fashn.World()
    world.joints = lambda: fashn.standing[: LEAST_JOINTS - 1]
    with pytest.raises(BadRequest, match="person must show a person, and none was found: send a photograph"):
        choose(await found(world), LARGEST)


def test_a_box_that_overlaps_a_surer_one_is_the_same_person(fashn):
    """Two boxes of one person become one."""
    cells = fashn.detected([(10, 10, 200, 280), (14, 12, 320, 470), (14, 40, 210, 280)], 400, 300)
    assert len(dwpose.person_boxes(cells, 640 / 400)) == 2
