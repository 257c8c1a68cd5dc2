"""The grey pose picture that the network sees: limbs and joints of the body, hands and face.

Grey values are part of the network's training: they are data here, not a matter of taste.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

BODY, HAND, FACE = 18, 21, 68
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
LIMB_GREYS = (20, 32, 45, 58, 71, 84, 97, 110, 123, 136, 149, 162, 175, 188, 201, 214, 227)
JOINT_GREYS = (227, 26, 26, 58, 75, 41, 92, 109, 126, 143, 159, 176, 193, 210, 244, 255, 255, 255)
LIMB_SHARE = 0.6  # limbs are drawn at 60 % of their grey, so that joints stand out
FINGERS = tuple((0 if joint % 4 == 1 else joint - 1, joint) for joint in range(1, HAND))
"""Five fingers of four bones, each from the wrist."""
FINGER_GREYS = (
    160, 163, 166, 169, 172, 175, 178, 182, 185, 188, 191, 194, 197, 201, 204, 207, 210, 213, 216, 220,
)  # fmt: skip
HAND_GREY, FACE_GREY = 240, 200
JOINT_RADIUS, FACE_RADIUS, LIMB_WIDTH, FINGER_WIDTH = 4, 3, 4, 2


def _unseen(*shape: int) -> np.ndarray:
    return np.full(shape, -1.0)


@dataclass(frozen=True)
class Pose:
    """Joints of one person as shares of width and height, (n, 2) float64.

    `subset` (18,) says which joints were seen: the row in `body`, or -1. The order of the body is OpenPose's.
    """

    body: np.ndarray = field(default_factory=lambda: _unseen(BODY, 2))
    subset: np.ndarray = field(default_factory=lambda: _unseen(BODY))
    hands: np.ndarray = field(default_factory=lambda: _unseen(2, HAND, 2))
    face: np.ndarray = field(default_factory=lambda: _unseen(FACE, 2))


def draw(pose: Pose, width: int, height: int) -> np.ndarray:
    """The pose as a grey picture (height, width) uint8, black where nobody is."""
    canvas = np.zeros((height, width), np.uint8)
    joints = _body_pixels(pose, width, height)
    limbs = _limbs(joints, canvas.shape)
    canvas = np.maximum(canvas, (LIMB_SHARE * limbs).astype(np.uint8))
    for pixel, grey in zip(joints, JOINT_GREYS, strict=True):
        if pixel is not None:
            cv2.circle(canvas, pixel, JOINT_RADIUS, grey, -1)
    for hand in pose.hands:
        _draw_hand(canvas, _pixels(hand, width, height))
    for pixel in _pixels(pose.face, width, height):
        if pixel is not None:
            cv2.circle(canvas, pixel, FACE_RADIUS, FACE_GREY, -1)
    return canvas


Pixel = tuple[int, int]


def _body_pixels(pose: Pose, width: int, height: int) -> list[Pixel | None]:
    """The pixel of each seen joint; body joints may lie outside the picture."""
    return [
        (int(pose.body[int(row)][0] * width), int(pose.body[int(row)][1] * height)) if row != -1 else None
        for row in pose.subset
    ]


def _pixels(points: np.ndarray, width: int, height: int) -> list[Pixel | None]:
    """Pixels of hand or face points; a point counts only right of and below the picture's edge."""
    found: list[Pixel | None] = []
    for x, y in points:
        pixel = int(x * width), int(y * height)
        found.append(pixel if min(pixel) > 0 else None)
    return found


def _limbs(joints: list[Pixel | None], shape: tuple[int, ...]) -> np.ndarray:
    """Limbs as filled ellipses on a canvas of their own, later ones over earlier ones."""
    canvas = np.zeros(shape, np.uint8)
    for (first, second), grey in zip(LIMBS, LIMB_GREYS, strict=True):
        start, end = joints[first], joints[second]
        if start is None or end is None:
            continue
        (xa, ya), (xb, yb) = start, end
        centre = (xa + xb) // 2, (ya + yb) // 2
        half = int(math.hypot(xa - xb, ya - yb)) // 2
        angle = int(math.degrees(math.atan2(ya - yb, xa - xb)))
        outline = cv2.ellipse2Poly(centre, (half, LIMB_WIDTH), angle, 0, 360, 1)
        cv2.fillConvexPoly(canvas, outline, grey)
    return canvas


def _draw_hand(canvas: np.ndarray, pixels: list[Pixel | None]) -> None:
    for (first, second), grey in zip(FINGERS, FINGER_GREYS, strict=True):
        start, end = pixels[first], pixels[second]
        if start is not None and end is not None:
            cv2.line(canvas, start, end, grey, FINGER_WIDTH)
    for pixel in pixels:
        if pixel is not None:
            cv2.circle(canvas, pixel, JOINT_RADIUS, HAND_GREY, -1)
