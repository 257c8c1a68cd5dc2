"""Contrast and scrims keep what WCAG asks, on every ground."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from vitrine_orchestrator.placing.contrast import (
    ENOUGH,
    INKS,
    best_ink,
    contrast,
    levels,
    linear,
    luminance_of,
    scrim_for,
)


def grey(*values):
    """Luminances of grey levels."""
    return np.array([luminance_of((value,) * 3) for value in values], np.float32)


@pytest.mark.parametrize(
    ("ground", "ink", "ratio"), [(255, (0, 0, 0), 21.0), (0, (255,) * 3, 21.0), (118, (255,) * 3, 4.54)]
)
def test_the_contrast_is_wcags(ground, ink, ratio):
    """Black on white is 21, and #767676 is the lightest grey that passes on white."""
    assert contrast(grey(ground), ink).low == pytest.approx(ratio, abs=0.01)


def test_linear_light_and_back_is_the_same_level():
    """All 256 levels survive."""
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(levels(linear(every)), every)


def test_the_lower_end_counts():
    """A text that is fine on most of its ground fails by the twentieth part that is not."""
    mixed = np.concatenate([np.full(900, 0.0, np.float32), np.full(100, 1.0, np.float32)])
    seen = contrast(mixed, (255, 255, 255))
    assert (seen.low, seen.share) == (pytest.approx(1.0), pytest.approx(0.9))


def test_ink_that_is_not_opaque_is_compared_as_it_is_seen():
    """Half a white on black is a grey of linear .5."""
    assert contrast(grey(0), (255, 255, 255), 0.5).low == pytest.approx(0.55 / 0.05)


@example(low=0, high=255, ink=(221, 47, 69))  # 4.57 on black, 4.60 on white
@given(
    low=st.integers(0, 255),
    high=st.integers(0, 255),
    ink=st.tuples(*[st.integers(0, 255)] * 3),
)
@settings(max_examples=40, deadline=None)
def test_a_scrim_gives_enough_for_every_colour(low, high, ink):
    """After the scrim, rounded to eight bits, the contrast is reached; a fainter one would not be taken."""
    ground = grey(*np.linspace(low, high, 200).astype(int))
    chosen, scrim = scrim_for(ground, [ink])
    veil = luminance_of(scrim.colour)
    veiled = linear(levels(ground + scrim.opacity * (veil - ground)))
    assert chosen == ink
    assert contrast(veiled, ink).low >= ENOUGH


def test_of_two_inks_the_one_with_the_fainter_scrim_is_taken():
    """On a light ground dark ink needs none; on a middle one both need little."""
    light = grey(*range(150, 250))
    ink, scrim = scrim_for(light, INKS)
    assert (ink, best_ink(light, INKS), scrim.opacity) == (INKS[1], INKS[1], 0.0)
    assert scrim_for(grey(90, 130, 160), INKS)[1].opacity < 0.4


def test_faint_ink_has_no_scrim():
    """Dark ink at half its strength never reaches the contrast on white."""
    assert scrim_for(grey(200, 210), [(0, 0, 0)], 0.5) is None
