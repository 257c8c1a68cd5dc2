"""The inpainting mask: which pixels of a person a new garment may repaint. No network is involved.

The rule is that of the released IDM-VTON preprocessing: repaint the garment being replaced, dilated a little,
and both arms; keep face, hands, shoes and every other garment.
"""

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from vitrine.errors import BadRequest

from vitrine_orchestrator.person.labels import CATEGORIES, Category, Joint, Label

Bits = NDArray[np.uint8]  # (height, width), 0 or 1
Rule = Literal["hd", "dc"]

WIDTH, HEIGHT = 384, 512  # pixels of the released mask; arms scale with the height, growth does not
ARM_WIDTH: dict[Rule, int] = {"hd": 60, "dc": 45}  # pixels at height 512: VITON-HD's and DressCode's
FOREARM_SCALE = 1.2  # the forearm is drawn 20 % longer, so that a sleeve may end on the hand
GARMENT_GROWTH, ARM_GROWTH, NECK_GROWTH = 10, 8, 2  # pixels: 5, 4 and 1 dilations by 5×5


class Parts(NamedTuple):
    """The labels that one category repaints, and those that it keeps."""

    garment: tuple[Label, ...]
    kept: tuple[Label, ...]
    arms: bool  # whether sleeves may change, so that arms and neck are repainted too


NEEDED: dict[Category, str] = {
    "upper_body": "shoulders, arms and chest down to the hips",
    "lower_body": "hips, knees and legs",
    "dresses": "whole body from the shoulders to the knees",
}  # what a picture must show for each category
HEAD = (Label.HAT, Label.SUNGLASSES, Label.FACE)  # hair and scarf cover garments, so they may be repainted
ALWAYS_KEPT = (*HEAD, Label.LEFT_SHOE, Label.RIGHT_SHOE, Label.BAG)
PARTS: dict[Category, Parts] = {
    "upper_body": Parts((Label.UPPER_CLOTHES, Label.DRESS), (Label.SKIRT, Label.PANTS), arms=True),
    "lower_body": Parts(
        (Label.SKIRT, Label.PANTS, Label.LEFT_LEG, Label.RIGHT_LEG),
        (Label.UPPER_CLOTHES, Label.LEFT_ARM, Label.RIGHT_ARM),
        arms=False,
    ),
    "dresses": Parts((Label.UPPER_CLOTHES, Label.SKIRT, Label.PANTS, Label.DRESS), (), arms=True),
}


class Arm(NamedTuple):
    """One arm: its label, its joints, and the end from which it is drawn, which affects rounding."""

    label: Label
    shoulder: Joint
    elbow: Joint
    wrist: Joint
    from_wrist: bool


ARMS = (
    Arm(Label.LEFT_ARM, Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, Joint.LEFT_WRIST, from_wrist=True),
    Arm(Label.RIGHT_ARM, Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW, Joint.RIGHT_WRIST, from_wrist=False),
)


def inpainting_mask(
    labels: NDArray[np.uint8],
    keypoints: NDArray[np.floating],
    category: Category,
    rule: Rule = "hd",
    exact: bool = False,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> NDArray[np.uint8]:
    """The pixels to repaint, (height, width) uint8: 255 is repainted, 0 is kept.

    labels: (H, W), `Label` values.
    keypoints: (18, 3), x and y in [0, 1] of the picture and a score; a score of 0 means missing.
    exact: follow the released rule in every pixel, including its faults: a joint at (0, 0) draws an arm to
        the corner, and a joint left of the picture wraps round. Otherwise such arms are the parsed label.
    Raises BadRequest when nothing of `category` is visible.
    """
    _check(labels, keypoints, category, rule)
    labels = _resized(labels, width, height)
    garment, kept, has_arms = PARTS[category]
    fixed = _any_of(labels, (*ALWAYS_KEPT, *kept))
    repaint = _grow(_any_of(labels, garment), GARMENT_GROWTH)
    if has_arms:
        arms, hands = _arms(labels, keypoints, ARM_WIDTH[rule] * height // HEIGHT, exact)
        neck = _grow(_any_of(labels, (Label.NECK,)), NECK_GROWTH) & ~_any_of(labels, HEAD)
        repaint |= neck | _grow(arms, ARM_GROWTH)
        fixed |= hands
    mask = _largest_blob(repaint & (1 - fixed))
    if not exact and not mask.any():
        raise BadRequest(nothing_to_dress(category))
    return mask


def nothing_to_dress(category: Category) -> str:
    """The advice for a picture in which the category's part of the body is not visible."""
    return (
        f"nothing to dress was found for {category}: use a picture that shows the person's "
        f"{NEEDED[category]}, choose another category, or send a mask of your own"
    )


def _check(
    labels: NDArray[np.uint8], keypoints: NDArray[np.floating], category: Category, rule: Rule
) -> None:
    """BadRequest for a wrong word of the caller; arrays come from our own stages and are asserted."""
    if category not in PARTS:
        raise BadRequest(f"category must be one of {', '.join(CATEGORIES)}, got {category!r}")
    if rule not in ARM_WIDTH:
        raise BadRequest(f"mask rule must be one of {', '.join(ARM_WIDTH)}, got {rule!r}")
    assert labels.ndim == 2, labels.shape
    assert labels.dtype == np.uint8, labels.dtype
    assert keypoints.shape == (len(Joint), 3), keypoints.shape


def _resized(labels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The label map at (height, width), by Pillow's nearest neighbour."""
    if labels.shape == (height, width):
        return labels
    return np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))


def _any_of(labels: NDArray[np.uint8], wanted: tuple[Label, ...]) -> Bits:
    """1 where the label is one of `wanted`. A look-up table is the fastest way for many labels."""
    table = np.zeros(256, np.uint8)
    table[list(wanted)] = 1
    return np.asarray(cv2.LUT(labels, table), np.uint8)


def _grow(bits: Bits, pixels: int) -> Bits:
    """Dilation by a square of side 2·pixels+1; n dilations by 5×5 are one of 2·n pixels."""
    square = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return np.asarray(cv2.dilate(bits, square), np.uint8)


def _arms(
    labels: NDArray[np.uint8], keypoints: NDArray[np.floating], width: int, exact: bool
) -> tuple[Bits, Bits]:
    """Both arms as drawn over the joints, and the hands: parsed arm pixels outside the drawing.

    For an arm that cannot be drawn, the parsed label is used; then its hand may be repainted too.
    """
    arms, hands = np.zeros_like(labels), np.zeros_like(labels)
    size = labels.shape[1], labels.shape[0]
    for arm in ARMS:
        parsed = _any_of(labels, (arm.label,))
        joints = keypoints[[arm.shoulder, arm.elbow, arm.wrist]].astype(np.float64) * (*size, 1)
        joints = joints.round(3)  # float32 keypoints are exact to 1e-4 pixels; whole numbers must stay whole
        known = (joints[2, :2] > 1).any() if exact else (joints[:, 2] > 0).all()
        drawn = _drawn_arm(joints[:, :2], size, width, arm.from_wrist, wrap=exact) if known else parsed
        arms |= drawn
        hands |= parsed & (1 - drawn)
    return arms, hands


def _drawn_arm(
    joints: NDArray[np.float64], size: tuple[int, int], width: int, from_wrist: bool, wrap: bool
) -> Bits:
    """Shoulder, elbow and lengthened wrist as a thick line with a disc on the shoulder.

    joints: (3, 2) pixels, truncated to whole ones. With `wrap` they become unsigned 16-bit numbers as in the
    released code, so a negative one is far right or below; without it the line is clipped at the border.
    """
    shoulder, elbow, wrist = joints
    line = np.stack([shoulder, elbow, elbow + FOREARM_SCALE * (wrist - elbow)]).astype(np.int64)
    if wrap:
        line = line.astype(np.uint16)
    if from_wrist:
        line = line[::-1]
    canvas = Image.new("L", size)
    draw = ImageDraw.Draw(canvas)
    draw.line(line.ravel().tolist(), fill=1, width=width, joint="curve")
    radius = width // 2
    draw.arc([*(shoulder - radius), *(shoulder + radius)], 0, 360, fill=1, width=radius)
    return np.asarray(canvas)


def _largest_blob(bits: Bits) -> NDArray[np.uint8]:
    """The largest connected region as 0/255, with holes filled and its outline simplified as released.

    The outermost pixel of the picture is never repainted. Filling an outer contour fills every hole in it.
    """
    inside = np.zeros_like(bits)
    inside[1:-1, 1:-1] = bits[1:-1, 1:-1]
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_L1)
    mask = np.zeros_like(bits)
    if contours:
        cv2.drawContours(mask, [max(contours, key=cv2.contourArea)], -1, (255,), thickness=cv2.FILLED)
    return mask
