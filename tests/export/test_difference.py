"""A file is kept only if all its numbers are finite and near torch's, in every output of every sample."""

import numpy as np
import pytest
import torch
from torch import nn
from vitrine_export.errors import ExportFailed
from vitrine_export.exporting.network import Inside, Network
from vitrine_export.exporting.onnx_file import difference, write

ONES = np.ones((2, 2), np.float32)
NAN, INFINITE = ONES * np.nan, ONES * np.inf


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("spoilt", [NAN, INFINITE])
def test_numbers_that_are_not_finite_are_infinitely_far(spoilt, place):
    """In whichever output they are, and though both sides have them."""
    outputs = [ONES, ONES]
    outputs[place] = spoilt
    assert difference(outputs, outputs) == float("inf")
    assert difference(outputs, [ONES, ONES]) == float("inf")
    assert difference([ONES, ONES], outputs) == float("inf")


def test_equal_numbers_do_not_differ():
    """The largest difference is a share of the largest value over 1."""
    assert difference([ONES, 10 * ONES], [ONES, 10 * ONES]) == 0
    assert difference([ONES, 11 * ONES], [ONES, 10 * ONES]) == pytest.approx(0.1)


class LaterNan(nn.Module):
    """Doubles its values, and answers NaN as its second output."""

    def forward(self, values):
        return values * 2, values * torch.tensor(float("nan"))


def test_nan_in_a_second_output_is_not_kept(tmp_path):
    """The first output's agreement does not hide it: no file is left."""
    network = Network(
        file="pose/1/model.onnx",
        module=Inside(LaterNan(), torch.float32, [True]).eval(),
        inputs=(("values", ("batch", 3)),),
        outputs=("first", "second"),
        tolerance=1e-3,
        sample=lambda rows, size: (torch.ones(rows, 3),),
    )
    with pytest.raises(ExportFailed, match="pose: ONNX is inf from torch"):
        write("pose", network, tmp_path)
    assert not list(tmp_path.rglob("*.onnx"))
