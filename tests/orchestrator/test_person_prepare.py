"""The denoiser's tensors are compared with those of a released run."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays
from vitrine_orchestrator.person import prepare

KNOWN = np.load(Path(__file__).parents[1] / "data" / "person_tensors.npz")  # of one released run


def test_the_latent_mask_is_the_released_one():
    """The mask becomes exactly the fifth channel of the released UNet input."""
    assert np.array_equal(prepare.mask_latent(KNOWN["mask"]), KNOWN["mask_latent"])


def test_the_latent_mask_is_torchs_nearest():
    """At any size that 8 divides, every eighth pixel is taken, as by interpolate's default."""
    mask = np.random.default_rng(2).choice([0, 255], (256, 192)).astype(np.uint8)
    expected = torch.nn.functional.interpolate(torch.from_numpy(mask[None, None] / np.float32(255)), (32, 24))
    assert np.array_equal(prepare.mask_latent(mask), expected[0].numpy())


@pytest.mark.parametrize("name", ["pose", "garment"])
def test_pixels_are_those_of_the_released_run(name):
    """Pictures become the released tensors to the last bit (every fourth pixel is stored)."""
    assert np.array_equal(prepare.pixels(KNOWN[name])[:, ::4, ::4], KNOWN[f"{name}_pixels"])


def test_masked_pixels_are_grey_inside_the_mask():
    """Values are 0 of [-1, 1] inside the mask, and the picture's outside."""
    picture, mask = KNOWN["garment"], KNOWN["mask"]
    masked = prepare.masked_pixels(picture, mask)
    assert masked.dtype == np.float32
    assert not masked[:, mask > 127].any()
    assert np.array_equal(masked[:, mask <= 127], prepare.pixels(picture)[:, mask <= 127])


def test_a_mask_at_another_size_stays_a_mask():
    """A resized mask is 0 or 255 and covers about the same share of the picture."""
    mask = np.zeros((512, 384), np.uint8)
    mask[100:300, 80:290] = 255
    small = prepare.mask_at(mask, 192, 256)
    assert small.shape == (256, 192)
    assert set(np.unique(small)) == {0, 255}
    assert abs(small.mean() - mask.mean()) < 1


@given(arrays(np.uint8, (4, 6, 3)))
def test_a_picture_survives_the_way_to_pixels_and_back(picture):
    """Converting uint8 → [-1, 1] → uint8 is the identity."""
    assert np.array_equal(prepare.picture(prepare.pixels(picture)), picture)


def test_pixels_out_of_range_are_clipped():
    """Values beyond the range become white or black and never wrap around."""
    wild = np.array([-3.0, 3.0], np.float32).reshape(1, 1, 2).repeat(3, axis=0)
    assert prepare.picture(wild)[0].tolist() == [[0, 0, 0], [255, 255, 255]]
