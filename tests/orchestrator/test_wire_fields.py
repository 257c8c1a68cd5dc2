"""What errors of inputs say of numbers."""

import numpy as np
import pytest
from vitrine.errors import BadRequest
from vitrine_orchestrator.wire.fields import number, scalar, word


@pytest.mark.parametrize(
    ("sent", "low", "high", "said"),
    [
        (np.array([2147483647], np.int32), 1, 100, "1 to 100, got 2147483647"),
        (np.array([0], np.int32), 1, 2**31 - 1, "1 to 2147483647, got 0"),
        (np.array([20.000002], np.float32), 0, 20.0, "0 to 20, got 20.000002"),
        (np.array([0.99999999], np.float64), 1, 2, "1 to 2, got 0.99999999"),
        (np.array([np.nan], np.float32), 0, 20, "0 to 20, got nan"),
        (np.array([25.0], np.float32), 0, 20, "0 to 20, got 25"),
    ],
)
def test_a_number_outside_its_limits_is_named_as_it_was_sent(sent, low, high, said):
    """With all digits of its type, and with the whole limits."""
    with pytest.raises(BadRequest, match=f"^x must be {said}$"):
        number({"x": sent}, "x", low, high, 0)
    if not np.isnan(sent[0]):
        with pytest.raises(BadRequest, match=f"^x must be {said}$"):
            scalar({"x": sent}, "x", sent.dtype.type, low, high)


def test_the_default_of_a_word_is_not_among_the_words_that_are_told():
    """A missing or empty word is the default; a wrong one is told what it may be, and nothing else."""
    for sent in ({}, {"ratio": np.array([b""], object)}):
        assert word(sent, "ratio", ("1:1", "4:5"), "") == ""
    with pytest.raises(BadRequest, match=r"^ratio must be one of 1:1, 4:5, got '7:5'$"):
        word({"ratio": np.array([b"7:5"], object)}, "ratio", ("1:1", "4:5"), "")
