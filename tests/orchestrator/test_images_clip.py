"""The CLIP pixels of a garment, compared with the released pipeline's and transformers' own."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from vitrine_orchestrator.images.clip import STD, no_picture, pixel_values

KNOWN = np.load(Path(__file__).parents[1] / "data" / "person_tensors.npz")  # of one released run


def test_pixel_values_are_those_of_the_released_run():
    """The same garment gives the same numbers to the last bit (every eighth pixel is stored)."""
    assert np.array_equal(pixel_values(KNOWN["garment"])[:, ::8, ::8], KNOWN["clip_pixel_values"])


@pytest.mark.parametrize("shape", [(1024, 768, 3), (300, 500, 3), (224, 224, 3), (97, 61, 3)])
@pytest.mark.parametrize("size", [224, 336])
def test_pixel_values_equal_transformers(shape, size):
    """For any shape and encoder size the numbers are CLIPImageProcessor's (Pillow backend)."""
    picture = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    processor = CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size={"height": size, "width": size})
    expected = processor(Image.fromarray(picture), return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(pixel_values(picture, size), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 500, 3), (500, 40, 3), (33, 2001, 3), (2701, 300, 3)])
def test_the_middle_of_a_long_picture_is_within_a_level(shape):
    """A long picture is not resized whole, and still gives transformers' numbers."""
    picture = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224})
    expected = processor(Image.fromarray(picture), return_tensors="np")["pixel_values"][0]
    levels = (pixel_values(picture) - expected) * STD[:, None, None] * 255
    assert np.abs(levels).max() < 1.01


def test_the_longest_picture_takes_little_memory():
    """Enlarged whole, 40,000,000 pixels of 32 rows would be 6 GB."""
    tracemalloc.start()
    begun = time.monotonic()
    assert pixel_values(np.zeros((32, 1_250_000, 3), np.uint8)).shape == (3, 224, 224)
    assert time.monotonic() - begun < 20
    assert tracemalloc.get_traced_memory()[1] < 2**29
    tracemalloc.stop()


def test_no_picture_is_zero_after_normalisation():
    """The unconditional half gets zeros after normalisation, not black."""
    assert no_picture(32).shape == (3, 32, 32)
    assert not no_picture(32).any()
