"""The best place covers nothing, and is quiet, light or dark enough, and near the middle."""

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.placing.boxes import ANCHORS, Box, anchored, checked_shares, inner, of_shares
from vitrine_orchestrator.placing.contrast import INKS
from vitrine_orchestrator.placing.ground import ground_of
from vitrine_orchestrator.placing.search import best_place, measured

WHOLE = Box(0, 0, 300, 200)


def plain(height=200, width=300, level=230):
    """A picture of one grey."""
    return np.full((height, width, 3), level, np.uint8)


def mask(*boxes, height=200, width=300):
    """What must stay free: the boxes."""
    keep = np.zeros((height, width), np.uint8)
    for box in boxes:
        keep[box.part] = 255
    return keep


def test_the_place_covers_nothing():
    """With one free corner, the box is in it, and its rim too."""
    keep = mask(Box(0, 0, 300, 120), Box(0, 120, 180, 200))
    found = best_place(ground_of(plain(), keep), 60, 40, WHOLE, 5, INKS)
    assert found.overlap == 0
    assert not keep[found.box.grown(5).cut(300, 200).part].any()


def test_a_single_pixel_is_not_covered():
    """Even on a picture that is read in cells of several pixels."""
    rng = np.random.default_rng(0)
    keep = np.zeros((900, 1200), np.uint8)
    keep[rng.integers(0, 900, 60), rng.integers(0, 1200, 60)] = 1
    ground = ground_of(plain(900, 1200), keep)
    assert ground.cell > 1
    found = best_place(ground, 100, 60, Box(0, 0, 1200, 900), 0, INKS)
    assert not keep[found.box.part].any()


def test_without_room_there_is_no_place():
    """None for a box larger than the region, and for a picture that is taken whole."""
    ground = ground_of(plain(), mask(Box(0, 0, 300, 200)))
    assert best_place(ground, 60, 40, WHOLE, 0, INKS) is None
    assert best_place(ground_of(plain(), None), 301, 40, WHOLE, 0, INKS) is None


def test_quiet_ground_is_preferred():
    """Half of the picture is noise: the box is in the other half."""
    picture = plain()
    picture[:, 150:] = np.random.default_rng(0).integers(0, 255, (200, 150, 3))
    assert best_place(ground_of(picture, None), 80, 40, WHOLE, 0, INKS).box.right <= 152


def test_ground_on_which_ink_stands_out_is_preferred():
    """White ink goes to the dark half, black ink to the light one."""
    picture = plain()
    picture[100:] = 20
    ground = ground_of(picture, None)
    assert best_place(ground, 80, 40, WHOLE, 0, [(255, 255, 255)]).box.top >= 100
    assert best_place(ground, 80, 40, WHOLE, 0, [(0, 0, 0)]).box.bottom <= 100


def test_on_an_empty_picture_the_middle_is_taken():
    """Nothing else speaks against any place."""
    box = best_place(ground_of(plain(), None), 60, 40, WHOLE, 0, INKS).box
    assert abs((box.left + box.right) / 2 - 150) <= 3


def test_boxes_that_are_taken_later_are_kept_free():
    """As those of texts that were placed before."""
    ground = ground_of(plain(), None).taking([Box(0, 0, 300, 150)])
    assert best_place(ground, 60, 40, WHOLE, 0, INKS).box.top >= 150


def test_proposed_boxes_are_measured_alike():
    """The overlap is the share that must stay free; the best place costs no more than a proposal there."""
    ground = ground_of(plain(), mask(Box(0, 0, 150, 200)))
    boxes = [Box(120, 50, 180, 90), Box(200, 50, 260, 90)]
    half, free = measured(ground, boxes, 0, INKS)
    assert (half.overlap, free.overlap) == (pytest.approx(0.5), 0)
    assert best_place(ground, 60, 40, WHOLE, 0, INKS).cost <= free.cost < half.cost
    assert measured(ground, [], 0, INKS) == []


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (33, 4000), (1000, 999)])
def test_pictures_of_any_shape_have_a_ground(size):
    """A line of pixels has cells too, and a box of its own size fits."""
    width, height = size
    ground = ground_of(plain(height, width), np.zeros((height, width), np.uint8))
    found = best_place(ground, width, height, Box(0, 0, width, height), 3, INKS)
    assert found.box == Box(0, 0, width, height)


def test_the_anchors():
    """Nine corners, sides and the middle, inside the margin."""
    region = inner(300, 200, 0.1)
    assert region == Box(20, 20, 280, 180)
    assert anchored("top-left", 60, 40, region).numbers == (20, 20, 80, 60)
    assert anchored("bottom-right", 60, 40, region).numbers == (220, 140, 280, 180)
    assert anchored("center", 60, 40, region).numbers == (120, 80, 180, 120)
    assert len(ANCHORS) == 9


@pytest.mark.parametrize(
    "value", ["0,0,1,1", [0, 0, 1], [0, 0, 1, 1.1], [0.5, 0, 0.5, 1], [0, 0, 1, "1"], [0, 0, True, 1], None]
)
def test_what_is_no_box_is_refused(value):
    """A box is four numbers in shares, with left before right and top before bottom."""
    with pytest.raises(BadRequest, match="box must be left, top, right and bottom as shares"):
        checked_shares("box", value)
    assert of_shares(checked_shares("box", [0, 0.25, 0.5, 1]), 100, 40) == Box(0, 10, 50, 40)
