"""Rows of different sizes share a call's tensors: positions, native pads, masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from vitrine_export.nets.z_image import rows_of, velocities
from vitrine_orchestrator.drawing.engine import shares_of
from vitrine_orchestrator.z_image.token_rows import patches, stacked_rows, token_row, unpatched

SIZES = [(8, 8), (6, 10), (16, 8)]
LENGTHS = [5, 40, 32]


def drawn(seed=0):
    """Latents and captions of every row."""
    random = np.random.default_rng(seed)
    latents = [random.standard_normal((16, *size), np.float32) for size in SIZES]
    return latents, [random.standard_normal((length, 32), np.float32) for length in LENGTHS]


def test_the_tensors_are_those_that_the_network_is_compared_with():
    """Every tensor equals the one by which the network passed its comparison with the released code."""
    latents, captions = drawn()
    rows = [token_row(size, caption) for size, caption in zip(SIZES, captions, strict=True)]
    feeds = stacked_rows(rows)
    feeds["patches"] = patches(latents, feeds["picture_pad"].shape[1])
    wanted = rows_of([torch.from_numpy(one) for one in latents], [torch.from_numpy(one) for one in captions])
    assert feeds.keys() == vars(wanted).keys()
    for name, tensor in vars(wanted).items():
        assert feeds[name].dtype == tensor.numpy().dtype, name
        assert np.array_equal(feeds[name], tensor.numpy()), name


def test_an_output_becomes_latents_again():
    """Unpacking is the inverse of packing, and the same as the export's."""
    latents, _ = drawn()
    packed = patches(latents, 32)
    shaped = [torch.from_numpy(one) for one in latents]
    for row, one, theirs in zip(packed, latents, velocities(torch.from_numpy(packed), shaped), strict=True):
        assert np.array_equal(unpatched(row, one.shape[1:]), one)
        assert np.array_equal(-unpatched(row, one.shape[1:]), theirs.numpy())


@pytest.mark.parametrize(
    ("tokens", "calls"),
    [
        ([64, 64, 128, 100], [[0, 1, 3, 2]]),
        ([64, 4096, 129], [[0], [2], [1]]),
        ([64], [[0]]),
        ([], []),
        ([16384] * 5 + [70000], [[0, 1, 2, 3], [4], [5]]),
    ],
)
def test_rows_of_very_different_lengths_are_computed_in_several_calls(tokens, calls):
    """A row waits for no row of more than twice its tokens."""
    assert shares_of(tokens, 1) == [calls]


@pytest.mark.parametrize(
    ("tokens", "shares"),
    [
        ([96, 96], [[[0]], [[1]]]),
        ([128, 96, 96, 128], [[[1, 2]], [[0, 3]]]),
        ([300, 100, 100, 100], [[[1, 2, 3]], [[0]]]),
        ([96], [[[0]]]),
        ([96, 96, 96], [[[0, 1, 2]]]),
        ([64, 4096], [[[0], [1]]]),
    ],
)
def test_lanes_get_rows_of_the_same_work(tokens, shares):
    """All cores compute the rows together where one of two lanes would wait for the other."""
    assert shares_of(tokens, 2) == shares
