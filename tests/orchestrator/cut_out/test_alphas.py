"""From a network's answer to alpha: every form, and no product where the mask is faint or small."""

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.cut_out.alphas import CHANCES, alpha_of


def mask(largest, share=0.25):
    """Values (40, 40): `largest` in a share of the pixels, from the top; 0.1 elsewhere."""
    values = np.full(1600, 0.1, np.float32)
    values[: round(1600 * share)] = largest
    return values.reshape(40, 40)


def test_probabilities_stay_as_they_are():
    """Values of the form `probability` are alpha, cut to 0 and 1."""
    assert alpha_of(mask(0.8), "probability").max() == np.float32(0.8)
    assert alpha_of(mask(1.7), "probability").max() == 1


def test_min_max_is_stretched_only_where_there_is_a_product():
    """A clear mask reaches 0 and 1."""
    alpha = alpha_of(mask(0.8), "min-max")
    assert (alpha.min(), alpha.max()) == (0, 1)


def test_logits_pass_a_sigmoid():
    """Large numbers do not overflow."""
    alpha = alpha_of(np.where(mask(1.0) > 0.5, np.float32(1e4), np.float32(-1e4)), "logits")
    assert alpha.max() == pytest.approx(1)
    assert alpha.min() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("form", CHANCES)
def test_a_faint_mask_is_no_product(form):
    """A largest value of 0.49 is refused in every form, and never stretched to a full mask."""
    faint = mask(0.49) if form != "logits" else np.full((40, 40), -0.1, np.float32)
    with pytest.raises(BadRequest, match=r"no product found: .* at least 0\.5, got 0\.4\d; send a picture"):
        alpha_of(faint, form)


@pytest.mark.parametrize(("share", "found"), [(0.004, False), (0.006, True)])
def test_a_speck_is_no_product(share, found):
    """Less than half a percent of the pixels is refused."""
    if found:
        assert alpha_of(mask(1.0, share), "probability").max() == 1
    else:
        with pytest.raises(BadRequest, match=r"it must fill at least 0\.5% of the picture, got 0\.38%"):
            alpha_of(mask(1.0, share), "probability")
