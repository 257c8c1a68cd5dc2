"""Paste-back changes no pixel outside the mask."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from vitrine_orchestrator.images.paste_back import pasted, seam_of

PICTURES = arrays(np.uint8, (24, 18, 3))


@given(PICTURES, PICTURES, arrays(np.uint8, (24, 18), elements=st.sampled_from([0, 255])))
def test_outside_the_mask_every_pixel_is_the_persons(result, person, mask):
    """With any pictures and mask, no pixel outside the mask changes by even one level."""
    made = pasted(result, person, seam_of(mask))
    assert made.dtype == np.uint8
    assert np.array_equal(made[mask == 0], person[mask == 0])


def test_deep_inside_the_mask_is_the_result():
    """Inside the blended rim every pixel is the result's."""
    person, result = np.zeros((256, 192, 3), np.uint8), np.full((256, 192, 3), 200, np.uint8)
    mask = np.zeros((256, 192), np.uint8)
    mask[60:200, 50:150] = 255
    made = pasted(result, person, seam_of(mask))
    assert (made[70:190, 60:140] == 200).all()
    rim = made[100, 50:54, 0].tolist()
    assert rim == sorted(rim)  # the rim climbs from the person to the result
    assert 0 < rim[0] < 200


def test_a_mask_of_everything_is_the_result():
    """A mask of the whole picture leaves nothing to blend with."""
    person, result = np.zeros((24, 18, 3), np.uint8), np.full((24, 18, 3), 9, np.uint8)
    assert (pasted(result, person, seam_of(np.full((24, 18), 255, np.uint8))) == 9).all()
