"""The figures of a text on a picture, from pixels alone: none of them is what the model says of itself."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont
from vitrine_orchestrator.lettering.faces import Face

Pixels = NDArray[np.uint8]
MISSING = "\U000ffffe"
"""A character that no font has."""
NEAR = 2
"""Pixels around the ink that are left out of the contrast: there letters and ground are mixed."""
GLYPH_SIZE = 48


def covered(before: Pixels, after: Pixels, alpha: Pixels, boxes: Sequence[Sequence[int]]) -> bool:
    """Return whether a line's box holds any of the product, or an opaque pixel of it was changed.

    Soft pixels of its edge show the ground too, which a scrim beside it may change.
    """
    touched = any((alpha[top:bottom, left:right] > 0).any() for left, top, right, bottom in boxes)
    return bool(touched or (before != after)[alpha == 255].any())


def contrast_of(picture: Pixels, boxes: Sequence[Sequence[int]], ink: Sequence[int]) -> float:
    """Return the 5th percentile of the contrast between the ink and the pixels of the lines' boxes.

    Pixels of the ink's colour, and those close to them, are not counted; 1 where none is left.
    """
    found = []
    for left, top, right, bottom in boxes:
        part = picture[max(top, 0) : bottom, max(left, 0) : right]
        inked = (part == np.array(ink, np.uint8)).all(axis=2).astype(np.uint8)
        near = cv2.dilate(inked, np.ones((2 * NEAR + 1, 2 * NEAR + 1), np.uint8))
        found.append(part[near == 0])
    ground = np.concatenate(found) if found else np.zeros((0, 3), np.uint8)
    if not len(ground):
        return 1.0
    light, dark = _luminance(ground), float(_luminance(np.array(ink, np.uint8)[None])[0])
    ratios = (np.maximum(light, dark) + 0.05) / (np.minimum(light, dark) + 0.05)
    return float(np.percentile(ratios, 5))


def tofu(text: str, face: Face) -> int:
    """Return how many characters the face draws as it draws one that it has not."""
    font = ImageFont.truetype(face.path, GLYPH_SIZE, index=face.index)
    missing = bytes(font.getmask(MISSING))
    return sum(bytes(font.getmask(character)) == missing for character in text if not character.isspace())


def distance(read: str, truth: str) -> int:
    """Return the edits (insert, delete, replace) from one text to the other (Levenshtein)."""
    row = list(range(len(truth) + 1))
    for count, character in enumerate(read, 1):
        before, row[0] = row[0], count
        for index, wanted in enumerate(truth, 1):
            before, row[index] = (
                row[index],
                min(row[index] + 1, row[index - 1] + 1, before + (character != wanted)),
            )
    return row[-1]


def _luminance(pixels: Pixels) -> NDArray[np.float64]:
    """Return WCAG's relative luminance (n,) of sRGB pixels (n, 3)."""
    share = pixels / 255.0
    linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])
