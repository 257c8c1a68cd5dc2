"""Before and after the two DWPose networks: YOLOX finds people, a SimCC network finds 133 joints of each.

Contracts: YOLOX takes (1, 3, 640, 640) float32 0…255 BGR and gives (1, 8400, 85); the pose network takes
(n, 3, 384, 288) float32 and gives (n, 133, 576) and (n, 133, 768). Sources: YOLOX (Ge et al., 2021), SimCC
(Li et al., 2022), DWPose (Yang et al., 2023), COCO-WholeBody's order of joints.
"""

from __future__ import annotations

import cv2
import numpy as np

from vitrine_orchestrator.fashn.pose_picture import Pose

DETECTOR_SIDE = 640
DETECTOR_GREY = 114
STRIDES = (8, 16, 32)
CANDIDATE, OVERLAP, PERSON = 0.1, 0.45, 0.3  # scores of a box, of a kept box; the IoU at which boxes are one

CROP = (288, 384)  # width, height of the pose network's input
CROP_MARGIN = 1.25
SIMCC_BINS = 2  # for each pixel
MEAN = np.array([123.675, 116.28, 103.53], np.float32)  # applied to BGR as it is, as the network was trained
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)

SEEN = 0.3  # the least score of a joint
BODY_ROWS = (0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""OpenPose's 18 joints in COCO-WholeBody's order with the neck inserted as joint 17."""
NECK, SHOULDERS = 17, (5, 6)
JOINTS = 134
"""The 133 points of COCO-WholeBody and the neck."""
FACE_ROWS, HAND_ROWS = slice(24, 92), (slice(92, 113), slice(113, 134))
RANKED = slice(1, 14)  # the joints by which the largest person is found


def letterbox(picture: np.ndarray) -> tuple[np.ndarray, float]:
    """A BGR picture (H, W, 3) uint8 on the detector's grey square (1, 3, 640, 640) float32; the scale."""
    height, width = picture.shape[:2]
    scale = min(DETECTOR_SIDE / height, DETECTOR_SIDE / width)
    size = int(width * scale), int(height * scale)
    square = np.full((DETECTOR_SIDE, DETECTOR_SIDE, 3), DETECTOR_GREY, np.uint8)
    square[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(square.transpose(2, 0, 1)[None]).astype(np.float32), scale


def person_boxes(answer: np.ndarray, scale: float) -> np.ndarray:
    """Boxes (n, 4) of people, left, top, right, bottom in picture pixels, best first, from YOLOX's answer."""
    rows = answer[0].astype(np.float64)
    grids = [
        np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
        for side in (DETECTOR_SIDE // stride for stride in STRIDES)
    ]
    strides = np.concatenate([np.full((len(g), 1), s) for g, s in zip(grids, STRIDES, strict=True)])
    centre = (rows[:, :2] + np.concatenate(grids)) * strides
    half = np.exp(rows[:, 2:4]) * strides / 2
    boxes = np.concatenate((centre - half, centre + half), axis=1) / scale
    scores = rows[:, 4] * rows[:, 5]  # of class 0: a person
    likely = scores > CANDIDATE
    boxes, scores = boxes[likely], scores[likely]
    kept = [index for index in _without_overlaps(boxes, scores) if scores[index] > PERSON]
    return boxes[kept].reshape(-1, 4)


def boxes_or_whole(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """The boxes, or the whole picture as one where nobody was found."""
    return boxes if len(boxes) else np.array([[0.0, 0.0, width, height]])


def _without_overlaps(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Greedy non-maximum suppression; areas count both edge pixels (+1), as in the released code."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, axis=1)
    left, kept = scores.argsort()[::-1], []
    while left.size:
        best, rest = left[0], left[1:]
        kept.append(int(best))
        corner = np.maximum(boxes[best, :2], boxes[rest, :2])
        sides = np.minimum(boxes[best, 2:], boxes[rest, 2:]) - corner + 1
        shared = np.prod(np.maximum(sides, 0), axis=1)
        left = rest[shared / (areas[best] + areas[rest] - shared) <= OVERLAP]
    return kept


def crop_of(box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre and size (2,) of the pose network's crop: the box with a margin, widened to 3:4."""
    centre = (box[:2] + box[2:]) / 2
    width, height = (box[2:] - box[:2]) * CROP_MARGIN
    aspect = CROP[0] / CROP[1]
    if width > height * aspect:
        return centre, np.array([width, width / aspect])
    return centre, np.array([height * aspect, height])


def warped(picture: np.ndarray, centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """The crop of a BGR picture at the network's size, (384, 288, 3) uint8, black outside the picture."""
    inside, side, middle = size[0] / 2, CROP[0] / 2, np.array([CROP[0] / 2, CROP[1] / 2])
    offsets = np.array([[0, 0], [0, -1], [-1, -1]])  # three points fix the map: the centre and two corners
    source = (centre + offsets * inside).astype(np.float32)
    target = (middle + offsets * side).astype(np.float32)
    return cv2.warpAffine(picture, cv2.getAffineTransform(source, target), CROP, flags=cv2.INTER_LINEAR)


def normalised(crop: np.ndarray) -> np.ndarray:
    """The crop as the pose network's (3, 384, 288) float32."""
    return ((crop.astype(np.float32) - MEAN) / DEVIATION).transpose(2, 0, 1)


def joints_of(
    simcc_x: np.ndarray, simcc_y: np.ndarray, centre: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """134 joints (134, 2) in picture pixels and scores (134,) of one person, from (133, 576) and (133, 768).

    The order is OpenPose's 18 joints of the body, feet, face, then the two hands.
    """
    places = np.stack((simcc_x.argmax(axis=1), simcc_y.argmax(axis=1)), axis=1).astype(np.float64)
    scores = np.minimum(simcc_x.max(axis=1), simcc_y.max(axis=1)).astype(np.float64)
    places[scores <= 0] = -1
    points = places / SIMCC_BINS / np.array(CROP) * size + centre - size / 2
    return _with_neck(points, scores)


def _with_neck(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The neck, midway between the shoulders and seen where both are, and the body in OpenPose's order."""
    neck = points[list(SHOULDERS)].mean(axis=0)
    seen = bool((scores[list(SHOULDERS)] > SEEN).all())
    order = [*BODY_ROWS, *range(len(BODY_ROWS), len(points) + 1)]
    return np.insert(points, NECK, neck, axis=0)[order], np.insert(scores, NECK, float(seen))[order]


def largest_person(points: np.ndarray, scores: np.ndarray, width: int, height: int) -> Pose:
    """The pose of the largest of n people, from (n, 134, 2) picture pixels and (n, 134) scores."""
    shares, joints = points / np.array([width, height]), len(BODY_ROWS)
    body, body_scores = shares[:, :joints], scores[:, :joints]
    chosen = _largest(body, body_scores)
    subset = np.where(body_scores[chosen] > SEEN, np.arange(joints), -1).astype(np.float64)
    parts = np.where((scores < SEEN)[:, :, None], -1.0, shares)
    hands = np.stack([parts[chosen, part] for part in HAND_ROWS])
    return Pose(body[chosen], subset, hands, parts[chosen, FACE_ROWS])


def _largest(body: np.ndarray, scores: np.ndarray) -> int:
    """The largest (sum of seen scores) × (area of the seen joints' box); the largest sum if all areas are 0.

    Which joints count for the box is taken from the first person for all, as the released code does.
    """
    ranked = scores[:, RANKED]
    sums = np.where(ranked > SEEN, ranked, 0).sum(axis=1)
    areas = np.array([_box_area(one[RANKED]) for one in body])
    worth = sums * areas
    return int((worth if worth.any() else sums).argmax())


def _box_area(points: np.ndarray) -> float:
    xs, ys = points[points[:, 0] > 0, 0], points[points[:, 1] > 0, 1]
    return float(np.ptp(xs) * np.ptp(ys)) if xs.size and ys.size else 0.0
