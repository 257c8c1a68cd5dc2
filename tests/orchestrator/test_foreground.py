"""The colours of a product at its soft edge: no fringe of the old background."""

import numpy as np
import pytest
from vitrine_orchestrator.images import foreground as module
from vitrine_orchestrator.images.foreground import foreground


def mixture(size=160, edge=12.0, seed=0):
    """A textured product on a textured ground, mixed by a soft disc: picture, alpha, product."""
    draw = np.random.default_rng(seed)
    product = np.clip(np.array([200, 160, 40]) + draw.normal(0, 8, (size, size, 3)), 0, 255)
    ground = np.clip(np.array([30, 60, 190]) + draw.normal(0, 8, (size, size, 3)), 0, 255)
    down, across = np.mgrid[:size, :size] - (size - 1) / 2
    alpha = np.rint(np.clip((size * 0.3 - np.hypot(down, across)) / edge + 0.5, 0, 1) * 255).astype(np.uint8)
    share = alpha[..., None] / 255
    return np.rint(share * product + (1 - share) * ground).astype(np.uint8), alpha, product


def fringe(colours, alpha, product):
    """The mean error of premultiplied colours where alpha is soft: what is seen on another background."""
    soft = (alpha > 0) & (alpha < 255)
    return float((np.abs(colours - product).mean(-1) * alpha / 255)[soft].mean())


def test_the_fringe_of_the_old_background_goes():
    """On a known mixture the error at the edge is under a quarter of the untouched picture's."""
    picture, alpha, product = mixture()
    assert fringe(foreground(picture, alpha), alpha, product) < 0.25 * fringe(picture, alpha, product)


def test_opaque_pixels_are_the_pictures_own_and_transparent_ones_are_empty():
    """Nothing is invented inside, and nothing of the background is left outside."""
    picture, alpha, _ = mixture()
    colours = foreground(picture, alpha)
    assert np.array_equal(colours[alpha == 255], picture[alpha == 255])
    assert not colours[alpha == 0].any()


@pytest.mark.parametrize("tile", [40, 77])
def test_tiles_leave_no_seam(monkeypatch, tile):
    """Small tiles give what one tile gives, to a rounding step."""
    picture, alpha, _ = mixture()
    whole = foreground(picture, alpha)
    monkeypatch.setattr(module, "TILE", tile)
    assert np.abs(foreground(picture, alpha).astype(int) - whole).max() <= 1


def test_a_mask_of_one_value_is_no_special_case():
    """Full, empty and everywhere half-transparent masks give finite colours."""
    picture, *_ = mixture(64)
    for level in (0, 128, 255):
        colours = foreground(picture, np.full((64, 64), level, np.uint8))
        assert colours.dtype == np.uint8
    assert np.array_equal(foreground(picture, np.full((64, 64), 255, np.uint8)), picture)
