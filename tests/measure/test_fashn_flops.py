"""The cost of a picture of FASHN VTON, counted without weights."""

import pytest
from vitrine_measure import flops_fashn

TERA = 1e12


def test_the_figures_are_those_counted_on_the_released_code():
    """792.0 TFLOP for 30 steps at 576×864 as released, 778.8 with 59 rows, and less with each saving."""
    figures = {line.name: line.flop / TERA for line in flops_fashn.table(576, 864, 30, 1.5)}
    assert figures["released"] == pytest.approx(792.0, rel=0.01)
    assert figures["exact_rows"] == pytest.approx(778.8, rel=0.01)
    assert list(figures.values()) == sorted(figures.values(), reverse=True)


def test_without_guidance_a_step_is_one_row():
    """Without guidance 30 steps take 396.0 TFLOP."""
    figures = {line.name: line.flop / TERA for line in flops_fashn.table(576, 864, 30, 1.0)}
    assert figures["exact_rows"] == pytest.approx(396.0, rel=0.01)


def test_a_canvas_that_is_no_multiple_of_the_patch_is_refused():
    """The message names the rule and the value."""
    with pytest.raises(ValueError, match="multiple of patch 12, got 570x864"):
        flops_fashn.count_row(570, 864)
