"""Fitting pictures to the checkpoint's size, and results back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vitrine.errors import BadRequest
from vitrine_orchestrator.images.fitting import FITS, fitted

WIDTH, HEIGHT = 192, 256
SIDES = st.integers(32, 400)


def slope(height, width):
    """A smooth picture, so that resizing there and back changes little."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 / height, columns * 255 / width, rows * 0 + 90], -1).astype(np.uint8)


@settings(deadline=None, max_examples=50)
@given(width=SIDES, height=SIDES, how=st.sampled_from(FITS))
def test_any_shape_is_fitted_and_comes_back(width, height, how):
    """The fitted picture has the checkpoint's size, and restoring it gives nearly the original."""
    original = slope(height, width)
    result = fitted(original, WIDTH, HEIGHT, how)
    assert result.picture.shape == (HEIGHT, WIDTH, 3)
    back = result.restore(result.picture)
    assert back.shape == original.shape
    assert np.abs(back.astype(int) - original).mean() < 3


def test_fit_keeps_the_aspect_on_white():
    """A wide picture is in the middle, with white above and below."""
    shown = fitted(np.zeros((100, 200, 3), np.uint8), WIDTH, HEIGHT, "fit")
    assert shown.placed == (0, 80, 192, 176)
    assert (shown.picture[:80] == 255).all()
    assert (shown.picture[176:] == 255).all()
    assert not shown.picture[80:176].any()


def test_crop_takes_the_middle_and_pastes_into_the_original():
    """Beyond the middle 3:4 the restored picture is the original, to the last bit."""
    original = slope(300, 400)
    shown = fitted(original, WIDTH, HEIGHT, "crop")
    assert shown.taken == (87, 0, 312, 300)
    back = shown.restore(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert not back[:, 87:312].any()
    assert np.array_equal(back[:, :87], original[:, :87])
    assert np.array_equal(back[:, 312:], original[:, 312:])


def test_squash_shows_all_of_the_picture():
    """Squashing cuts nothing off and adds nothing."""
    shown = fitted(slope(100, 300), WIDTH, HEIGHT, "squash")
    assert shown.taken == (0, 0, 300, 100)
    assert shown.placed == (0, 0, WIDTH, HEIGHT)


@pytest.mark.parametrize("how", FITS)
def test_a_mask_comes_back_where_the_result_does(how):
    """The restored mask is 0/255 at the original's size, and 0 outside the part that was taken."""
    shown = fitted(slope(300, 500), WIDTH, HEIGHT, how)
    mask = shown.restore_mask(np.full((HEIGHT, WIDTH), 255, np.uint8))
    left, top, right, bottom = shown.taken
    assert mask.shape == (300, 500)
    assert (mask[top:bottom, left:right] == 255).all()
    assert mask.astype(bool).sum() == (right - left) * (bottom - top)


def test_an_unknown_fit_is_a_bad_request():
    """The message lists the known words."""
    with pytest.raises(BadRequest, match="crop must be one of fit, crop, squash, got 'zoom'"):
        fitted(slope(64, 64), WIDTH, HEIGHT, "zoom")
