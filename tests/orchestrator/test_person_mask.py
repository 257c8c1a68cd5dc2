"""The inpainting mask equals the released rule's, except where that rule has known faults."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from vitrine.errors import BadRequest
from vitrine_orchestrator.person.labels import CATEGORIES, Joint, Label
from vitrine_orchestrator.person.mask import inpainting_mask

KNOWN = np.load(Path(__file__).parents[1] / "data" / "person_masks.npz")  # drawn people, released masks
PEOPLE = ("s0_long_pants", "s1_dress", "s1_tee_skirt")


def person(name="s0_long_pants"):
    """The label map and keypoints (18, 3) of a drawn person; the file holds 384×512 pixels."""
    places = KNOWN[f"{name}_keypoints"] / (384, 512)
    return KNOWN[f"{name}_labels"], np.concatenate([places, np.ones((18, 1))], 1).astype(np.float32)


def without(keypoints, *joints):
    """The keypoints with some joints missing."""
    fewer = keypoints.copy()
    fewer[list(joints)] = 0
    return fewer


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("rule", ["hd", "dc"])
@pytest.mark.parametrize("name", PEOPLE)
def test_the_mask_equals_the_released_one(name, rule, category, exact):
    """With every joint in the picture each pixel equals the released rule's, in both modes."""
    released = np.unpackbits(KNOWN[f"{name}_{rule}_{category}"]).reshape(512, 384) * 255
    assert np.array_equal(inpainting_mask(*person(name), category, rule, exact), released)


def test_the_mask_equals_the_released_one_at_1024():
    """At another size the arms grow with the height and the margins stay, as released."""
    released = np.unpackbits(KNOWN["s0_long_pants_hd_dresses_large"]).reshape(1024, 768) * 255
    assert np.array_equal(inpainting_mask(*person(), "dresses", width=768, height=1024), released)


@pytest.mark.parametrize("joint", [Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, Joint.RIGHT_SHOULDER])
def test_a_missing_joint_draws_no_arm_to_the_corner(joint):
    """The released rule repaints the corner at (0, 0); ours takes the parsed arm instead."""
    labels, keypoints = person("s1_tee_skirt")
    fewer = without(keypoints, joint)
    released = inpainting_mask(labels, fewer, "upper_body", exact=True)
    assert released[:40, :40].any()
    ours, whole = (inpainting_mask(labels, points, "upper_body") for points in (fewer, keypoints))
    assert not ours[:40, :40].any()
    assert (ours > whole).mean() < 0.01  # little beyond what is repainted with all joints: the hand


def test_a_missing_wrist_means_the_parsed_arm():
    """Without a wrist both modes repaint the whole parsed arm, hand included."""
    labels, keypoints = person("s1_tee_skirt")
    fewer = without(keypoints, Joint.LEFT_WRIST)
    mask = inpainting_mask(labels, fewer, "upper_body")
    assert (mask[labels == Label.LEFT_ARM] > 0).mean() > 0.9  # the labels hold specks next to the arm
    assert np.array_equal(mask, inpainting_mask(labels, fewer, "upper_body", exact=True))


def test_a_wrist_beyond_the_edge_is_cut_off_there():
    """A forearm that leaves the picture on the left does not come back on the right."""
    labels, keypoints = person()
    keypoints[Joint.RIGHT_ELBOW, :2] = 0.1, 0.4
    keypoints[Joint.RIGHT_WRIST, :2] = 0.01, 0.4  # lengthened by a fifth: left of the picture
    released, ours = (
        inpainting_mask(labels, keypoints, "upper_body", exact=exact) for exact in (True, False)
    )
    right = slice(int(384 * keypoints[Joint.LEFT_WRIST, 0]) + 50, None)
    assert released[:, right].any()
    assert not ours[:, right].any()


def test_face_hands_shoes_and_other_garments_stay():
    """The mask of a shirt covers no face, hand, shoe or other garment."""
    labels, keypoints = person("s1_tee_skirt")
    mask = inpainting_mask(labels, keypoints, "upper_body")
    kept = np.isin(labels, (Label.FACE, Label.LEFT_SHOE, Label.RIGHT_SHOE, Label.SKIRT, Label.PANTS))
    assert (mask[kept] > 0).mean() < 0.02  # the simplified outline may cut a corner


def test_a_smaller_label_map_is_taken():
    """Labels at half the size give nearly the same mask, at 512×384."""
    labels, keypoints = person()
    halved = inpainting_mask(np.ascontiguousarray(labels[::2, ::2]), keypoints, "upper_body")
    assert halved.shape == (512, 384)
    assert (halved != inpainting_mask(labels, keypoints, "upper_body")).mean() < 0.01


def test_nothing_to_repaint_is_a_bad_request():
    """A picture without such a garment is refused, and the error names the category."""
    with pytest.raises(
        BadRequest, match=r"nothing to dress was found for lower_body: .* hips, knees and legs"
    ):
        inpainting_mask(np.zeros((512, 384), np.uint8), np.zeros((18, 3)), "lower_body")


@pytest.mark.parametrize(
    ("words", "message"), [({"category": "hat"}, "'hat'"), ({"category": "dresses", "rule": "xl"}, "'xl'")]
)
def test_an_unknown_word_is_a_bad_request(words, message):
    """The message lists the known words and repeats the unknown one."""
    with pytest.raises(BadRequest, match=message):
        inpainting_mask(*person(), **words)


@settings(max_examples=40, deadline=None)
@given(
    keypoints=arrays(np.float32, (18, 3), elements=st.floats(0, 1, width=32)),
    missing=st.sets(st.sampled_from(list(Joint))),
    category=st.sampled_from(CATEGORIES),
)
def test_any_keypoints_give_a_mask(keypoints, missing, category):
    """With any joints the mask is 0 or 255, in one piece, without holes, and away from the rim."""
    labels, _ = person()
    mask = inpainting_mask(labels, without(keypoints, *missing), category)
    assert set(np.unique(mask)) == {0, 255}
    assert not mask[[0, -1]].any()
    assert not mask[:, [0, -1]].any()
