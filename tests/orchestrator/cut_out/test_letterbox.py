"""The letterbox keeps proportions, adds no frame, and gives answers back at the picture's place."""

import numpy as np
import pytest
from vitrine_orchestrator.cut_out.letterbox import letterboxed, normalised


@pytest.mark.parametrize("size", [(100, 100), (300, 100), (50, 400), (1, 4000), (4000, 1)])
def test_the_longer_side_fills_the_square(size):
    """The picture lies in the middle with its proportions, at least one pixel wide."""
    width, height = size
    fitted = letterboxed(np.zeros((height, width, 3), np.uint8), 64)
    inner_height = fitted.rows.stop - fitted.rows.start
    inner_width = fitted.columns.stop - fitted.columns.start
    assert max(inner_height, inner_width) == 64
    assert inner_width == max(1, round(64 * width / max(size)))
    assert inner_height == max(1, round(64 * height / max(size)))
    assert abs(fitted.rows.start - (64 - fitted.rows.stop)) <= 1
    assert fitted.restored(np.ones((64, 64), np.float32)).shape == (height, width)


def test_the_rest_of_the_square_has_no_edge():
    """Above and below the picture its first and last rows are repeated: there is no frame to find."""
    picture = np.random.default_rng(0).integers(0, 255, (32, 64, 3), dtype=np.uint8)
    fitted = letterboxed(picture, 64)
    assert np.array_equal(fitted.square[fitted.rows], picture)
    assert (fitted.square[: fitted.rows.start] == picture[0]).all()
    assert (fitted.square[fitted.rows.stop :] == picture[-1]).all()


def test_what_the_square_shows_returns_to_its_place():
    """Values of the picture's part are restored, those of the rest are left out."""
    answer = np.full((64, 64), 9, np.float32)
    fitted = letterboxed(np.zeros((200, 400, 3), np.uint8), 64)
    answer[fitted.rows, fitted.columns] = np.linspace(0, 1, 64, dtype=np.float32)
    restored = fitted.restored(answer)
    assert restored.max() <= 1  # nothing rings, nothing of the rest
    np.testing.assert_allclose(restored[100], np.linspace(0, 1, 400), atol=0.02)


def test_colours_are_divided_by_255():
    """A dark picture stays dark: its largest value is not made white."""
    square = np.full((4, 4, 3), (51, 0, 102), np.uint8)
    seen = normalised(square, (0.2, 0.0, 0.5), (0.5, 1.0, 0.2))
    np.testing.assert_allclose(seen[:, 0, 0], (0, 0, -0.5), atol=1e-6)
    assert (seen.shape, seen.dtype) == ((3, 4, 4), np.float32)
