"""The mask of what the network changed: FASHN VTON makes the whole picture anew and is given no mask.

Pixels are compared on the canvas. What differs is grown so that blending at its rim hides no changed pixel;
specks are left out. The face stays the caller's where its points did not move.
"""

from __future__ import annotations

import cv2
import numpy as np

from vitrine_orchestrator.images.fitting import Box
from vitrine_orchestrator.images.paste_back import FEATHER
from vitrine_orchestrator.pictures import Picture

THRESHOLD = 20
"""The difference of a colour channel, of 255, from which a smoothed pixel is a change."""
SMOOTH = 1 / 576
"""Standard deviation of the smoothing before the comparison, in heights of the canvas: grain is no change."""
CLOSED = 1 / 48
"""Gaps in a change up to this width, in heights of the canvas, belong to it."""
SPECK = 1 / 2000
"""Changes smaller than this share of the canvas are left out."""

FACE_MOVED = 0.08
"""The mean distance of a face's points before and after, in sizes of the face, up to which it is kept."""
FACE_ROWS = (0, 14, 15, 16, 17)
"""Nose, eyes and ears in the body's joints: used where the face's own points were not seen."""
LEAST_POINTS = 3
FACE_GROWN = 0.12
"""How far the kept face reaches beyond its points, in sizes of the face."""


def difference_mask(before: Picture, after: Picture, place: Box) -> np.ndarray:
    """Where two pictures (H, W, 3) uint8 on the canvas differ, (H, W) uint8 0/255; 0 outside `place`."""
    changed = _changed(before, after)
    inside = np.zeros_like(changed)
    left, top, right, bottom = place
    inside[top:bottom, left:right] = changed[top:bottom, left:right]
    height = inside.shape[0]
    kept = _without_specks(inside)
    closed = cv2.morphologyEx(kept, cv2.MORPH_CLOSE, _disc(CLOSED * height / 2), borderValue=0)
    grown = cv2.dilate(closed, _disc(rim(inside.shape)))
    mask = np.zeros_like(grown)
    mask[top:bottom, left:right] = grown[top:bottom, left:right]
    return mask


def rim(shape: tuple[int, ...]) -> int:
    """Pixels by which a change is grown: the blended rim lies inside the mask, and beside the change."""
    return int(np.ceil(FEATHER * max(shape))) + 1


def reach(shape: tuple[int, ...]) -> int:
    """Pixels from a change beyond which no pixel is in the mask: smoothing, closing and growing together."""
    height = shape[0]
    return int(np.ceil(4 * SMOOTH * height + CLOSED * height)) + rim(shape) + 2


def _changed(before: Picture, after: Picture) -> np.ndarray:
    sigma = SMOOTH * before.shape[0]
    smooth = [cv2.GaussianBlur(one, (0, 0), max(sigma, 0.3)) for one in (before, after)]
    return np.where(cv2.absdiff(*smooth).max(axis=2) > THRESHOLD, np.uint8(255), np.uint8(0))


def _without_specks(changed: np.ndarray) -> np.ndarray:
    count, parts, about, _ = cv2.connectedComponentsWithStats(changed, connectivity=8)
    large = about[:, cv2.CC_STAT_AREA] >= SPECK * changed.size
    large[0] = False  # the part that did not change
    return np.where(large[parts], np.uint8(255), np.uint8(0)) if count > 1 else changed


def _disc(radius: float) -> np.ndarray:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


Points = tuple[np.ndarray, np.ndarray]
"""Keypoints (18, 3) and face points (68, 2) of a person, as `prepare_person` answers them."""


def kept_face(before: Points, after: Points, shape: tuple[int, ...]) -> np.ndarray | None:
    """The face's pixels, (H, W) uint8 0/255, where its points agree before and after; None where they do not.

    Also None where fewer than LEAST_POINTS points are seen in both.
    """
    height, width = shape[:2]
    first, second = (_face_points(one) * (width, height) for one in (before, after))
    both = np.asarray(~(np.isnan(first) | np.isnan(second)).any(axis=1))
    if both.sum() < LEAST_POINTS:
        return None
    size = float(np.linalg.norm(np.ptp(first[both], axis=0)))
    if size == 0 or np.linalg.norm(first[both] - second[both], axis=1).mean() > FACE_MOVED * size:
        return None
    return _region(first[both], size, shape, outlined=bool(both[len(FACE_ROWS) :].any()))


def _face_points(points: Points) -> np.ndarray:
    """The five joints of the head and the 68 points of the face, (73, 2) in shares; NaN where unseen."""
    keypoints, face = points
    head = np.where(keypoints[list(FACE_ROWS), 2:] > 0, keypoints[list(FACE_ROWS), :2], np.nan)
    return np.concatenate((head, np.where((face < 0).any(axis=1, keepdims=True), np.nan, face)))


def _region(points: np.ndarray, size: float, shape: tuple[int, ...], *, outlined: bool) -> np.ndarray:
    """The hull of a face's points, grown; without its own points, a disc as wide as the head's joints."""
    region = np.zeros(shape[:2], np.uint8)
    if outlined:
        cv2.fillConvexPoly(region, cv2.convexHull(np.rint(points).astype(np.int32)), 255)
        return cv2.dilate(region, _disc(FACE_GROWN * size))
    centre = points.mean(axis=0)
    cv2.circle(region, (round(float(centre[0])), round(float(centre[1]))), max(1, round(size / 2)), 255, -1)
    return region
