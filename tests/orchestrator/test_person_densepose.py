"""The colour picture of DensePose's labels."""

import cv2
import numpy as np
import pytest
from vitrine.errors import BadRequest, StageFailed
from vitrine_orchestrator.person.densepose import COLOURS, coloured, pose_picture


def test_colours_are_opencvs_parula():
    """Part p has the colour that OpenCV's PARULA gives p·255/24; background is black."""
    levels = (np.arange(25) * 255 / 24).astype(np.uint8)
    parula = cv2.applyColorMap(levels[:, None], cv2.COLORMAP_PARULA)[:, 0, ::-1]
    assert np.array_equal(COLOURS[1:], parula[1:])
    assert not COLOURS[0].any()


def test_the_pose_picture_has_the_requested_size():
    """The picture has the checkpoint's size; far from edges a part has its own colour."""
    parts = np.zeros((512, 384), np.uint8)
    parts[:, 192:] = 24
    picture = pose_picture(parts, 192, 256)
    assert picture.shape == (256, 192, 3)
    assert picture.dtype == np.uint8
    assert tuple(picture[128, 150]) == (249, 251, 14)
    assert not picture[128, 50].any()


def test_no_body_is_a_bad_request_with_advice():
    """An empty map is refused; the photograph is never used instead."""
    with pytest.raises(BadRequest, match="no body found in the picture: use one that shows"):
        pose_picture(np.zeros((512, 384), np.uint8), 192, 256)


def test_an_unknown_part_is_the_stages_fault():
    """The error for a label above 24 names the stage and the value."""
    with pytest.raises(StageFailed, match="densepose: part labels must be 0 to 24, got 25"):
        pose_picture(np.full((512, 384), 25, np.uint8), 192, 256)


def test_parts_are_coloured_one_by_one():
    """Every pixel gets its own part's colour, whatever the map's shape."""
    parts = np.arange(25, dtype=np.uint8).reshape(5, 5)
    assert np.array_equal(coloured(parts).reshape(25, 3), COLOURS)
