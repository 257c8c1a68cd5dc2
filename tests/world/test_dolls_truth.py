"""The truth that the paper-doll world gives for its pictures agrees with their pixels."""

import cv2
import numpy as np
import pytest
from vitrine_orchestrator.person.labels import Joint, Label
from vitrine_orchestrator.person.mask import inpainting_mask
from vitrine_world.dolls import (
    CATEGORIES,
    Garment,
    draw_garment,
    draw_person,
    keypoints,
    labels,
    parts,
    sample,
    wear,
)
from vitrine_world.dolls.palette import GARMENT_COLOURS

SEED, COUNT = 21, 12
SIZE = (384, 512)

LABELS = {"shirt": Label.UPPER_CLOTHES, "skirt": Label.SKIRT, "trousers": Label.PANTS, "shorts": Label.PANTS}
LABELS["dress"] = Label.DRESS

PARTS_OF_JOINTS = {
    Joint.NOSE: {23, 24},
    Joint.NECK: {2},
    Joint.RIGHT_SHOULDER: {2, 16},
    Joint.RIGHT_ELBOW: {16, 20},
    Joint.RIGHT_WRIST: {20, 3},
    Joint.LEFT_SHOULDER: {2, 15},
    Joint.LEFT_ELBOW: {15, 19},
    Joint.LEFT_WRIST: {19, 4},
    Joint.RIGHT_HIP: {2, 9},
    Joint.RIGHT_KNEE: {9, 13},
    Joint.RIGHT_ANKLE: {13, 6},
    Joint.LEFT_HIP: {2, 10},
    Joint.LEFT_KNEE: {10, 14},
    Joint.LEFT_ANKLE: {14, 5},
    Joint.RIGHT_EYE: {23},
    Joint.LEFT_EYE: {24},
    Joint.RIGHT_EAR: {23},
    Joint.LEFT_EAR: {24},
}
"""DensePose parts that may lie at a joint of a body without a hand on its hip."""
ARM_PARTS = {3, 4, 19, 20}


def test_every_joint_lies_on_its_body_part():
    """Keypoints and parts agree, except where a hand on the hip covers another joint."""
    for index in range(COUNT):
        person = sample(SEED, index).person
        body = parts(person, SIZE)
        for joint, (x, y, _) in zip(Joint, keypoints(person), strict=True):
            covered = ARM_PARTS if joint in (Joint.RIGHT_HIP, Joint.LEFT_HIP) else set()
            assert body[int(y * SIZE[1]), int(x * SIZE[0])] in PARTS_OF_JOINTS[joint] | covered


def test_left_is_the_persons_own_left():
    """On a frontal person the left is on the picture's right, in keypoints, labels and parts."""
    for index in range(COUNT):
        person = sample(SEED, index).person
        points, named, body = keypoints(person), labels(person), parts(person)
        assert points[Joint.LEFT_SHOULDER, 0] > points[Joint.RIGHT_SHOULDER, 0]
        assert _middle(named == Label.LEFT_SHOE) > _middle(named == Label.RIGHT_SHOE)
        for left, right in ((4, 3), (5, 6), (10, 9), (14, 13), (15, 16), (19, 20), (24, 23)):
            assert _middle(body == left) > _middle(body == right)


def test_labels_name_what_is_drawn():
    """Except at edges, pixels of a plain garment's colour carry its label and no others do."""
    for index in range(COUNT):
        made = sample(SEED, index)
        garment = Garment(*list(vars(made.garment).values())[:4], made.garment.colour)
        person = wear(made.person, garment)
        picture, named = draw_person(person, SIZE), labels(person, SIZE)
        shown = np.all(picture == GARMENT_COLOURS[garment.colour], axis=-1)
        label = LABELS[garment.kind]
        assert set(np.unique(named[shown])) <= {label, *_labels_in_colour(person, garment)}
        inside = cv2.erode((named == label).astype(np.uint8), np.ones((7, 7))) > 0
        bare = np.all(picture == person.skin, axis=-1)
        midriff = cv2.dilate(bare.astype(np.uint8), np.ones((3, 3))) > 0
        assert np.all((shown | midriff)[inside])


def test_bare_skin_is_labelled_as_skin():
    """Face, neck, arms and legs are skin; a bare midriff counts as upper clothes."""
    skin_labels = {Label.FACE, Label.NECK, Label.LEFT_ARM, Label.RIGHT_ARM, Label.LEFT_LEG, Label.RIGHT_LEG}
    for index in range(COUNT):
        person = sample(SEED, index).person
        shown = np.all(draw_person(person) == person.skin, axis=-1)
        assert set(np.unique(labels(person)[shown])) <= skin_labels | {Label.UPPER_CLOTHES}


def test_the_body_is_the_same_in_any_clothes():
    """Parts and keypoints follow the limbs, so clothes do not change them."""
    for index in range(COUNT):
        made = sample(SEED, index)
        assert np.array_equal(parts(made.person), parts(made.target))
        assert np.array_equal(keypoints(made.person), keypoints(made.target))


def test_the_target_differs_only_where_garments_and_limbs_are():
    """Outside the old and new garment, arms and legs both pictures are equal to the pixel."""
    kept = [Label.FACE, Label.LEFT_SHOE, Label.RIGHT_SHOE]
    for index in range(COUNT):
        made = sample(SEED, index)
        before, after = labels(made.person), labels(made.target)
        same = (before == after) & np.isin(before, [Label.BACKGROUND, Label.HAIR, *kept])
        same = cv2.erode(same.astype(np.uint8), np.ones((5, 5))) > 0
        assert np.array_equal(draw_person(made.person)[same], draw_person(made.target)[same])
        assert all(np.array_equal(before == label, after == label) for label in kept)


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_mask_holds_the_change(category):
    """Almost nothing of the new garment is outside the released mask."""
    outside, changed = 0, 0
    for index in range(COUNT):
        made = sample(SEED, index, category)
        drawn = inpainting_mask(labels(made.person, SIZE), keypoints(made.person), category, rule="hd") > 0
        before, after = draw_person(made.person, SIZE), draw_person(made.target, SIZE)
        different = np.abs(before.astype(int) - after).max(axis=-1) > 40
        outside, changed = outside + (different & ~drawn).sum(), changed + different.sum()
    assert outside < 0.01 * changed


def test_worn_and_flat_have_the_same_stripes():
    """The torso's middle crosses the same bands of colour on the body as in the product picture."""
    shirt = Garment("upper_body", "shirt", "short", "regular", "red", "horizontal", "white")
    for index in range(10):
        person = wear(sample(SEED, index, "upper_body").person, shirt)
        x, top = keypoints(person)[Joint.NECK, :2] * SIZE
        worn = draw_person(person, SIZE)[int(top) : int(top) + 160, int(x)]
        assert _bands(worn) == _bands(draw_garment(shirt, SIZE)[:, SIZE[0] // 2])


def _middle(mask: np.ndarray) -> float:
    """The mean x of a mask's pixels."""
    return float(np.nonzero(mask)[1].mean())


def _labels_in_colour(person, garment: Garment) -> set[int]:
    """Labels of other clothes and shoes that have the garment's colour."""
    colour = GARMENT_COLOURS[garment.colour]
    worn = {
        LABELS[other.kind]
        for other in person.worn
        if other != garment and garment.colour in (other.colour, other.pattern_colour)
    }
    shoes = {Label.LEFT_SHOE, Label.RIGHT_SHOE} if person.shoes == colour else set()
    return worn | shoes


def _bands(column: np.ndarray) -> list[str]:
    """The colours of red and white stripes met on a column (n, 3) of pixels, from the top."""
    names = {(208, 32, 40): "red", (252, 252, 252): "white"}
    met = [names[tuple(pixel)] for pixel in column.tolist() if tuple(pixel) in names]
    return [name for before, name in zip([None, *met], met, strict=False) if name != before]
