"""The choice among several people, and the pixels that belong to each."""

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.person.choice import Choice, by_size, chosen, without_others
from vitrine_orchestrator.person.pose import between_bars


def person(left, top, right, bottom):
    """Joints in the corners and the middle of a box."""
    joints = np.zeros((18, 3), np.float32)
    corners = [(left, top), (right, top), (left, bottom), (right, bottom)]
    joints[:5] = [(x, y, 1) for x, y in [*corners, ((left + right) / 2, (top + bottom) / 2)]]
    return joints


LARGE, SMALL, SPECK = person(0.6, 0.1, 0.9, 0.9), person(0.1, 0.3, 0.3, 0.9), person(0.2, 0.1, 0.22, 0.12)
PEOPLE = by_size([SPECK, SMALL, LARGE])


def test_people_count_from_the_largest():
    """Numbers do not depend on the order in which people were found."""
    assert [chosen(PEOPLE, Choice(index)) for index in range(3)] == [0, 1, 2]
    assert chosen(PEOPLE, Choice()) == 0
    np.testing.assert_array_equal(PEOPLE[0], LARGE)


@pytest.mark.parametrize(("point", "number"), [((0.7, 0.5), 0), ((0.2, 0.6), 1), ((0.21, 0.11), 2)])
def test_a_point_takes_the_nearest_person(point, number):
    """A point may be inside a person's box or near it."""
    assert chosen(PEOPLE, Choice(point=point)) == number


@pytest.mark.parametrize(
    ("people", "choice", "said"),
    [
        (PEOPLE, Choice(3), "person_index must be 0 to 2, got 3: 3 people were found"),
        ([LARGE], Choice(1), "person_index must be 0 to 0, got 1: 1 person was found"),
        ([SPECK], Choice(point=(0.9, 0.9)), "person_point must lie on a person.*: 1 person was found"),
    ],
)
def test_a_choice_without_a_person_is_a_bad_request(people, choice, said):
    """The error gives the number of people found."""
    with pytest.raises(BadRequest, match=said):
        chosen(people, choice)


def test_pixels_belong_to_the_nearest_person():
    """Other people's pixels become background; a tiny person takes none, and a single one has all."""
    labels = np.full((100, 100), 4, np.uint8)
    assert without_others(labels, PEOPLE, 1)[60, 20] == 4
    assert without_others(labels, PEOPLE, 1)[60, 75] == 0
    assert (without_others(labels, [LARGE, SPECK], 0) == labels).all()
    assert without_others(labels, [LARGE], 0) is labels


@pytest.mark.parametrize(
    ("white", "rows"), [((0, 0), (0, 512)), ((128, 128), (128, 384)), ((200, 300), (136, 277))]
)
def test_white_bars_are_left_out(white, rows):
    """White bars are cut off, up to the widest picture that the network takes."""
    picture = np.zeros((512, 384, 3), np.uint8)
    picture[: white[0]] = picture[512 - white[1] :] = 255
    top, bottom = between_bars(picture)
    assert (top, bottom) == rows
