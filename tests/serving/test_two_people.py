"""The caller chooses one of two dolls in a picture. These are the shipped networks without a server."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_measure.score.local import LocalStages
from vitrine_orchestrator.try_on.prepare_person import prepare_person
from vitrine_world import dolls

REPOSITORY = Path(__file__).parents[2] / "model_repository"
WORLD, MIDDLE = 424242, 96


@pytest.fixture(scope="module")
def prepare():
    """The outputs of `prepare_person` for the picture of two dolls, with further inputs."""
    pair = [dolls.draw_person(dolls.sample(WORLD, index, "upper_body").person) for index in range(2)]
    both = np.concatenate([one[:, 48:144] for one in pair], 1)
    stages = LocalStages(REPOSITORY, 1)
    yield lambda **more: asyncio.run(prepare_person(stages.context, {"person_raw": both} | more))
    stages.close()


def side(outputs):
    """The place of the mask (0 the left doll, 1 the right one) and of the joints."""
    across = np.nonzero(outputs["mask"])[1]
    joints = outputs["keypoints"]
    seen = joints[joints[:, 2] > 0]
    return int(across.mean() > MIDDLE), int(seen[:, 0].mean() * 2 * MIDDLE > MIDDLE)


def index(number):
    return {"person_index": np.array([number], np.int32)}


def test_the_largest_is_the_first(prepare):
    """Without a choice the person is number 0, and number 1 is the other one."""
    assert side(prepare()) == side(prepare(**index(0)))
    first, second = side(prepare(**index(0))), side(prepare(**index(1)))
    assert sorted([first, second]) == [(0, 0), (1, 1)]


@pytest.mark.parametrize("doll", [0, 1])
def test_the_person_at_a_point_is_taken(prepare, doll):
    """The mask stays on the doll at the point."""
    outputs = prepare(person_point=np.array([48 + 96 * doll, 120], np.int32))
    assert side(outputs) == (doll, doll)
    across = np.nonzero(outputs["mask"])[1]
    assert (across // MIDDLE == doll).mean() > 0.9


@pytest.mark.parametrize("doll", [0, 1])
def test_people_in_a_wide_picture_are_found(prepare, doll):
    """They have half the size at the checkpoint's size; the mask stays on the chosen one."""
    pair = [dolls.draw_person(dolls.sample(WORLD, index, "upper_body").person) for index in range(2)]
    wide = np.concatenate(pair, 1)
    outputs = prepare(person_raw=wide, person_point=np.array([96 + 192 * doll, 140], np.int32))
    assert side(outputs) == (doll, doll)
    largest = prepare(person_raw=wide)
    assert (np.nonzero(largest["mask"])[1] // MIDDLE == side(largest)[1]).mean() > 0.9


def test_each_choice_has_a_key_of_its_own(prepare):
    """Each choice has its own cache key."""
    made = [prepare(), prepare(**index(0)), prepare(**index(1))]
    assert len({one["person_key"][0] for one in made}) == 3


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (index(2), "person_index must be 0 to 1, got 2: 2 people were found in the picture"),
        ({"person_point": np.array([300, 5], np.int32)}, "must lie in the picture of 192x256, got 300, 5"),
        (index(0) | {"person_point": np.array([3, 5], np.int32)}, "must not both be given"),
    ],
)
def test_a_person_who_is_not_there_is_refused(prepare, more, said):
    """The error gives the number of people."""
    with pytest.raises(BadRequest, match=said):
        prepare(**more)
