"""Masks of the garment area, for photographs of models and for the masked mode. Plain code over label maps.

Labels are those of an 18-class human parser. Any segmenter may give them: the network that the released
pipeline uses for it must not be used commercially (docs/licences.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from vitrine_orchestrator.images.region import box_around

LABELS = (
    "background", "face", "hair", "top", "dress", "skirt", "pants", "belt", "bag", "hat", "scarf", "glasses",
    "arms", "hands", "legs", "feet", "torso", "jewelry",
)  # fmt: skip
GREY = 127  # painted where the network shall not look
FULL_HEIGHT = 864  # the height for which the pixel sizes below are meant


@dataclass(frozen=True)
class Rule:
    """One category: the garment's labels, the body parts that it may cover, and what must stay visible."""

    garment: tuple[str, ...]
    covered: tuple[str, ...]
    kept: tuple[str, ...]


_ALWAYS_KEPT = ("face", "hair", "jewelry", "bag", "glasses", "hat")
_TOP, _BOTTOM = ("top", "dress", "scarf"), ("skirt", "pants", "belt")

RULES = {
    "tops": Rule(_TOP, ("arms", "torso"), (*_ALWAYS_KEPT, "legs", "hands", "feet")),
    "bottoms": Rule(_BOTTOM, ("legs",), (*_ALWAYS_KEPT, "arms", "feet")),
    "one-pieces": Rule((*_TOP, *_BOTTOM), ("arms", "torso", "legs"), (*_ALWAYS_KEPT, "hands", "feet")),
}


@dataclass(frozen=True)
class PersonMasks:
    """The steps of a person's mask, each bool (H, W)."""

    buffer: np.ndarray  # clothes and covered body, a little larger
    bounded: np.ndarray  # their bounding rectangle
    contour: np.ndarray  # their outline, grown and smoothed
    hybrid: np.ndarray  # the rectangle near the contour
    dilated: np.ndarray  # the hybrid, grown
    grey: np.ndarray  # what is painted grey


def of_labels(labels: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Where a label map (H, W) has one of these labels: bool (H, W)."""
    return np.isin(labels, [LABELS.index(name) for name in names])


def person_masks(labels: np.ndarray, category: str) -> PersonMasks:
    """The masks of a person for a category of RULES, from a label map (H, W) uint8."""
    rule, k = RULES[category], labels.shape[0] / FULL_HEIGHT
    area = of_labels(labels, rule.garment + rule.covered)
    square = max(1, int(4 * k))
    buffer = cv2.dilate(area.astype(np.uint8), np.ones((square, square), np.uint8)) > 0
    bounded, contour = _bounding_box(area), _smooth_contour(area, k)
    distance = cv2.distanceTransform((~contour).astype(np.uint8), cv2.DIST_L2, 5)
    hybrid = bounded & (distance <= 100 * k)
    kernel = np.ones((2 * int(16 * k) + 1, 2 * int(33 * k) + 1), np.uint8)
    dilated = cv2.dilate(hybrid.astype(np.uint8), kernel) > 0
    grey = buffer | (dilated & ~of_labels(labels, rule.kept))
    return PersonMasks(buffer, bounded, contour, hybrid, dilated, grey)


def garment_only(picture: np.ndarray, labels: np.ndarray, category: str) -> np.ndarray:
    """The garment's photograph (H, W, 3) with everything outside the category's labels grey."""
    inside = of_labels(labels, RULES[category].garment)
    return np.where(inside[..., None], picture, np.uint8(GREY))


def greyed(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) uint8, grey where the mask (H, W) is set."""
    return np.where(mask[..., None], np.uint8(GREY), picture)


def _bounding_box(area: np.ndarray) -> np.ndarray:
    box = np.zeros_like(area)
    if found := box_around(area.astype(np.uint8)):
        box[found] = True
    return box


def _smooth_contour(area: np.ndarray, k: float) -> np.ndarray:
    """The area grown by 18k px, its outline smoothed by a Gaussian of the signed distance, holes filled.

    Holes are found by flooding from the corner (0, 0), so a mask that covers it becomes the whole picture.
    """
    radius = max(1, int(18 * k))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    grown = cv2.dilate(area.astype(np.uint8), kernel)
    outside = cv2.distanceTransform(1 - grown, cv2.DIST_L2, 5)
    inside = cv2.distanceTransform(grown, cv2.DIST_L2, 5)
    smooth = cv2.GaussianBlur(outside - inside, (0, 0), radius / 2.5, borderType=cv2.BORDER_REPLICATE)
    shape = (smooth <= 0).astype(np.uint8)
    flooded = shape.copy()
    cv2.floodFill(flooded, None, (0, 0), 1)
    return (shape > 0) | (flooded == 0) | area
