"""Human parsing: the inputs of the networks, and the merged label map."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from vitrine_orchestrator.person import parsing
from vitrine_orchestrator.person.labels import Label

KNOWN = np.load(
    Path(__file__).parents[1] / "data" / "person_parsing.npz"
)  # released labels, logits in eighths
EVERYWHERE = slice(None), slice(None)


def peaked(size, channels, channel):
    """Logits (channels, size, size) in which one channel is largest everywhere."""
    logits = np.zeros((channels, size, size), np.float32)
    logits[channel] = 1
    return logits


def slowly_warped(logits, size, width, height):
    """The released computation: torch's interpolation, then OpenCV's warp, for each channel."""
    square = torch.nn.functional.interpolate(
        torch.from_numpy(logits)[None], size=(size, size), mode="bilinear", align_corners=True
    )[0].numpy()
    centre, reach = ((width - 1) / 2, (height - 1) / 2), max(width - 1, height - 1) / 2
    in_picture = np.array(
        [centre, (centre[0], centre[1] - reach), (centre[0] - reach, centre[1])], np.float32
    )
    half = (size - 1) / 2
    in_square = np.array([(half, half), (half, 0), (0, half)], np.float32)
    back = cv2.getAffineTransform(in_square, in_picture)
    return np.stack([cv2.warpAffine(plane, back, (width, height)) for plane in square]).argmax(0)


def test_the_merged_map_is_the_released_one():
    """From the released logits, rounded to eighths for storage, nearly all labels are equal."""
    logits = (KNOWN[f"{name}_eighths"].astype(np.float32) / 8 for name in ("atr", "lip"))
    labels = parsing.merged_labels(*logits, 384, 512)
    assert labels.dtype == np.uint8
    assert (labels != KNOWN["labels"]).mean() < 1e-3


@pytest.mark.parametrize(("width", "height"), [(384, 512), (300, 200), (33, 97)])
@pytest.mark.parametrize("size", [parsing.ATR_SIZE, parsing.LIP_SIZE])
def test_one_matrix_for_each_side_equals_interpolating_and_warping(size, width, height):
    """The matrices give the labels of interpolation and warp, for any shape of picture."""
    logits = np.random.default_rng(3).normal(size=(4, 30, 30)).astype(np.float32)
    reads = parsing._read_matrices(logits.shape[1:], size, width, height)
    quick = parsing._largest_channels(logits, *reads, EVERYWHERE)
    assert (quick != slowly_warped(logits, size, width, height)).mean() < 1e-3


@pytest.mark.parametrize("rows", [slice(0, 30), slice(3, 9), slice(24, 30), slice(0, 0)])
def test_pixels_that_are_left_out_are_background(rows):
    """Computing only where a person or a face can be gives the labels of all pixels."""
    draw = np.random.default_rng(5)
    atr, lip = (draw.normal(size=(n, 30, 30)).astype(np.float32) for n in (18, 20))
    away = np.ones(30, bool)
    away[rows] = False
    atr[0, away] = 9  # background
    atr[Label.FACE, rows, 10:20] += 3
    expected = parsing._without_small_holes(
        parsing._largest_channels(
            atr, *parsing._read_matrices((30, 30), parsing.ATR_SIZE, 384, 512), EVERYWHERE
        )
    )
    face = parsing._largest_channels(
        lip, *parsing._read_matrices((30, 30), parsing.LIP_SIZE, 384, 512), EVERYWHERE
    )
    expected[(expected == Label.FACE) & (face != parsing.LIP_FACE)] = Label.NECK
    np.testing.assert_array_equal(parsing.merged_labels(atr, lip, 384, 512), expected)


@pytest.mark.parametrize("size", [parsing.ATR_SIZE, parsing.LIP_SIZE])
def test_the_network_input_is_bgr_normalised_and_centred(size):
    """A red picture is red in the third channel, normalised as ImageNet's; the border is black."""
    red = np.zeros((512, 384, 3), np.uint8)
    red[..., 0] = 255
    image = parsing.network_input(red, size)
    assert image.shape == (3, size, size)
    assert image.dtype == np.float32
    black = -parsing.MEAN_BGR / parsing.STD_BGR
    np.testing.assert_allclose(
        image[:, size // 2, size // 2], [black[0], black[1], (1 - 0.485) / 0.229], rtol=1e-6
    )
    np.testing.assert_allclose(image[:, size // 2, 10], black, rtol=1e-6)
    assert np.ptp(image[2, :, size // 2]) == 0  # the longer side fills the square


def test_head_without_face_is_neck():
    """Where ATR says head and LIP does not say face, the merged map says neck."""
    head = peaked(16, 18, Label.FACE)
    face, other = peaked(16, 20, parsing.LIP_FACE), peaked(16, 20, 5)
    assert (parsing.merged_labels(head, face, 48, 64) == Label.FACE).all()
    assert (parsing.merged_labels(head, other, 48, 64) == Label.NECK).all()


def shirt_with_gap(rows, columns, inside=Label.BACKGROUND):
    """Labels of a shirt with an arm on it and one enclosed gap."""
    labels = np.full((512, 384), Label.BACKGROUND, np.uint8)
    labels[100:400, 100:300] = Label.UPPER_CLOTHES
    labels[100:400, 100:130] = Label.RIGHT_ARM
    labels[150 : 150 + rows, 150 : 150 + columns] = inside
    return labels


def test_a_small_gap_in_a_garment_is_closed():
    """A gap below 2000 square pixels becomes garment, since it is an error of parsing; arms stay arms."""
    closed = parsing._without_small_holes(shirt_with_gap(20, 20, Label.BAG))
    assert np.array_equal(closed, shirt_with_gap(0, 0))


def test_a_large_gap_is_background():
    """A gap above 2000 square pixels, as between arm and body, does not change."""
    labels = shirt_with_gap(80, 60)
    assert np.array_equal(parsing._without_small_holes(labels), labels)


def test_a_gap_at_the_edge_is_no_hole():
    """A gap that touches the picture's edge is not enclosed and does not change."""
    labels = np.full((64, 48), Label.UPPER_CLOTHES, np.uint8)
    labels[:5, 10:15] = Label.HAIR
    assert np.array_equal(parsing._without_small_holes(labels), labels)
