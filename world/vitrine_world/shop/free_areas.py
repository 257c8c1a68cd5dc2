"""Where a headline could stand: the largest boxes of a picture with nothing but plain wall or table."""

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_world.shop.daylight import SIDES
from vitrine_world.shop.paint import OVERSAMPLING, Easel
from vitrine_world.shop.sampling import Sample
from vitrine_world.shop.scene import scene

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the picture, y down."""

CELLS = 50
"""Cells a side of the grid in which boxes are searched."""
LEAST = 6
"""Cells that a box must have at least in width and in height."""
MOST = 3
"""How many boxes are given at most, the largest first."""
SOFT = 5
"""Canvas pixels (of 4 to a cell and side) by which things are grown: soft shadows and ink lines."""


def free_areas(sample: Sample) -> list[Box]:
    """Return the largest free boxes of a sample; they do not overlap. Empty if there is no room."""
    taken = occupied(sample)
    boxes: list[Box] = []
    while len(boxes) < MOST and (found := largest_box(taken)):
        left, top, right, bottom = found
        taken[top:bottom, left:right] = True
        boxes.append((left / CELLS, top / CELLS, right / CELLS, bottom / CELLS))
    return boxes


def occupied(sample: Sample) -> NDArray[np.bool_]:
    """Return which cells hold anything but plain wall or table, (CELLS, CELLS)."""
    laid = scene(sample)
    easel = Easel(CELLS, SIDES[sample.facts.light].away)
    layers = (*laid.grain, *laid.decoration, *laid.props, *laid.product)
    shadows = (*laid.wall_shadow, *laid.props_shadow, *laid.product_shadow)
    mask = easel.mask([*(layer.outline for layer in layers), *shadows])
    mask = cv2.dilate(mask, np.ones((SOFT, SOFT), np.uint8))
    return mask.reshape(CELLS, OVERSAMPLING, CELLS, OVERSAMPLING).any(axis=(1, 3))


def largest_box(taken: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return the free box of the largest area, with sides of at least LEAST cells: left, top, right, bottom.

    For each row, bars of free cells above it; a stack of rising bars gives every box that cannot grow.
    """
    best, found = 0, None
    heights = np.zeros(taken.shape[1] + 1, int)
    for row in range(taken.shape[0]):
        heights[:-1] = np.where(taken[row], 0, heights[:-1] + 1)
        rising: list[tuple[int, int]] = []
        for column, height in enumerate(heights.tolist()):
            left = column
            while rising and rising[-1][1] >= height:
                left, tall = rising.pop()
                wide = column - left
                if min(wide, tall) >= LEAST and wide * tall > best:
                    best, found = wide * tall, (left, row + 1 - tall, column, row + 1)
            rising.append((left, height))
    return found
