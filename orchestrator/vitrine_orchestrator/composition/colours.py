"""Moves a product's colours towards those of the scene around it, by a bounded step in CIE Lab (D65)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.composition.products import Placed, Product
from vitrine_orchestrator.images.bands import bands
from vitrine_orchestrator.pictures import Picture

Lab = NDArray[np.float32]  # (..., 3): L 0 to 100, a and b about -100 to 100

SIDE = 1024
"""Pixels of the longer side up to which a mean colour is of all pixels; beyond it, of one in every few."""
AROUND = 0.5
"""How far the surroundings of a product reach on each side, as a share of its width and height."""


@dataclass(frozen=True)
class Match:
    """What a match did; distances in delta E (CIE 1976)."""

    before: float  # from the product's mean colour to that of its surroundings
    after: float
    shift: tuple[float, float, float]  # of every colour in L, a, b


def matched(one: Placed, scene: Picture, share: float, bound: float) -> tuple[Product, Match]:
    """The product with its colours moved by `share` of the way to the mean around it, at most by `bound`.

    All colours move by the same step, so that a label keeps its contrasts. With share 0 nothing changes.
    """
    target = _mean_around(one, scene)
    colours, alpha = _some(one.product.colours, one.product.alpha)
    before = _lab(colours)
    way = target - _mean(before, alpha)
    step = share * way
    length = float(np.linalg.norm(step))
    if length > bound:
        step *= bound / length
    distance = float(np.linalg.norm(way))
    if not step.any():
        return one.product, Match(distance, distance, (0.0, 0.0, 0.0))
    after = _mean(_lab(_levels(before + step.astype(np.float32))), alpha)
    match = Match(distance, float(np.linalg.norm(target - after)), tuple(step.tolist()))
    return Product(_moved(one, scene, step.astype(np.float32)), one.product.alpha), match


def _moved(one: Placed, scene: Picture, step: NDArray[np.float32]) -> Picture:
    """The product's colours moved by a step in Lab, where it lies in the scene."""
    colours = one.product.colours.copy()
    rows, columns = one.inside(*scene.shape[:2])[1]
    for band in bands(rows.start, rows.stop):
        colours[band, columns] = _levels(_lab(colours[band, columns]) + step)
    return colours


def _mean_around(one: Placed, scene: Picture) -> NDArray[np.float64]:
    """The mean colour of the scene around a product, without what it covers unless it covers all."""
    height, width = scene.shape[:2]
    down, across = round(AROUND * one.product.height), round(AROUND * one.product.width)
    rows = slice(max(0, one.top - down), min(height, one.base + down))
    columns = slice(max(0, one.left - across), min(width, one.right + across))
    seen = 255 - one.alpha_in(height, width)[rows, columns]
    colours, weights = _some(scene[rows, columns], seen if seen.any() else np.full_like(seen, 255))
    return _mean(_lab(colours), weights)


def _some(picture: Picture, weights: NDArray[np.uint8]) -> tuple[Picture, NDArray[np.uint8]]:
    """Pixels and their weights, evenly spread, at most SIDE on a side; all where those weigh nothing."""
    apart = -(-max(weights.shape) // SIDE)
    some = weights[::apart, ::apart]
    return (picture[::apart, ::apart], some) if some.any() else (picture, weights)


def _mean(lab: Lab, weights: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The mean colour by weight."""
    shares = weights.astype(np.float64)
    return np.einsum("ij,ijk->k", shares, lab.astype(np.float64)) / max(shares.sum(), 1e-9)


def _lab(picture: Picture) -> Lab:
    return cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)


def _levels(lab: Lab) -> Picture:
    return np.rint(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1) * 255).astype(np.uint8)
