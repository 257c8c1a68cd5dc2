"""The shadows of products: the share of a scene's light that they take.

A shadow is made of layers. Each is the product's own outline, or the lowest part of it, laid down from the
base line: sheared away from the light, squashed, blurred.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.composition.products import SURE, Placed
from vitrine_orchestrator.composition.settings import ShadowKind

Shadow = NDArray[np.uint8]  # (height, width), the share of the light that is taken; 255 all of it

UNDER = 0.25
"""Of a product's height: lower edges up to there are near the ground, those of a handle are not."""
DARKEST = 0.9
"""The most light that shadows take."""
BROADEST = 16.0
"""Pixels of the standard deviation up to which a shadow is blurred as it is. Broader ones are blurred in a
smaller size, down to half of this: a blur takes time by its breadth, and no eye sees the difference."""


@dataclass(frozen=True)
class Layer:
    """One layer of a shadow; lengths in heights of the product."""

    part: float  # how much of the product throws it, from its lowest row up
    reach: float  # how far the shadow of a point goes away from the light, by its height above the base line
    drop: float  # how far it goes towards the viewer: below 0 away from him
    lift: float  # how far below the base line it begins
    blur: float  # standard deviation of its edge
    share: float  # of the light
    fills: bool = False  # whether the ground under a round lower edge is dark too, down to the base line


CONTACT = Layer(part=0.25, reach=0.0, drop=-1.0, lift=0.035, blur=0.018, share=0.6)
"""Dark and narrow, where the product touches the ground."""
CAST = Layer(part=1.0, reach=0.5, drop=0.14, lift=0.0, blur=0.02, share=0.5, fills=True)
"""Away from the light, and a little towards the viewer: most light comes from behind and above."""
SOFT = Layer(part=0.5, reach=0.0, drop=0.12, lift=0.0, blur=0.045, share=0.4, fills=True)
"""Of light without a side."""
FLOATING = Layer(part=1.0, reach=0.0, drop=0.07, lift=0.06, blur=0.035, share=0.42)
"""Below a product that does not touch the ground."""

SIDED: dict[ShadowKind, tuple[Layer, ...]] = {
    "none": (),
    "contact": (CONTACT,),
    "cast": (CONTACT, CAST),
    "floating": (FLOATING,),
}
"""The layers of each kind in light from a side."""
CENTRED: dict[ShadowKind, tuple[Layer, ...]] = SIDED | {"cast": (CONTACT, SOFT)}
"""The same where no side is seen."""


def shadow_of(
    all_placed: Sequence[Placed],
    shape: tuple[int, int],
    kind: ShadowKind,
    away: int,
    strength: float = 1.0,
) -> Shadow:
    """The shadow of all products in a scene of that shape (height, width).

    away: 1 where shadows fall to the right, -1 to the left, 0 below. Where shadows of several products meet,
    the darkest counts, since one light throws them. A product's own layers take theirs one after another.
    """
    layers = (SIDED if away else CENTRED)[kind]
    taken = np.zeros(shape, np.float32)
    for one in all_placed:
        left_over = np.ones(shape, np.float32)
        for layer in layers:
            _take(left_over, one, layer, away, strength)
        np.maximum(taken, 1 - left_over, out=taken)
    return np.rint(np.minimum(taken, DARKEST) * 255).astype(np.uint8)


def _take(light: NDArray[np.float32], one: Placed, layer: Layer, away: int, strength: float) -> None:
    """Take a layer's share from the light, in place, in the box that it can reach."""
    height = one.product.height
    rim = int(3 * layer.blur * height) + 2
    sideways = int(layer.reach * height) + rim
    low = max(layer.lift, layer.lift + layer.drop * layer.part)
    high = min(layer.lift, layer.lift + layer.drop * layer.part, -UNDER if layer.fills else 0)
    top = max(0, one.base + int(high * height) - rim)
    bottom = min(light.shape[0], one.base + int(low * height) + rim)
    left = max(0, one.left - (sideways if away < 0 else rim))
    right = min(light.shape[1], one.right + (sideways if away > 0 else rim))
    if top >= bottom or left >= right:
        return
    box = left - rim, top - rim, right + rim, bottom + rim
    broad = max(layer.blur * height, 0.4)
    times = 1 if broad <= BROADEST else int(2 * broad / BROADEST)
    laid = _laid_down(one, layer, away, box, times)
    if layer.fills:
        np.maximum(laid, _under(one, layer, box, times), out=laid)
    blurred = cv2.GaussianBlur(laid, (0, 0), broad / times)
    if times > 1:
        blurred = cv2.resize(blurred, None, fx=times, fy=times, interpolation=cv2.INTER_LINEAR)
    share = np.float32(min(layer.share * strength, DARKEST) / 255)
    light[top:bottom, left:right] *= 1 - share * blurred[rim : rim + bottom - top, rim : rim + right - left]


def _laid_down(
    one: Placed, layer: Layer, away: int, box: tuple[int, int, int, int], times: int
) -> NDArray[np.float32]:
    """The product's outline on the ground, in a box of the scene's pixels, so many times smaller."""
    left, top, _, _ = box
    height = one.product.height
    first = height - max(1, round(layer.part * height))
    # A point x, y of the part is height - first - y above the base line.
    above = height - first
    forward = np.array(
        [
            [1.0, -away * layer.reach, one.left - left + away * layer.reach * above],
            [0.0, -layer.drop, one.base - top + layer.lift * height + layer.drop * above],
        ]
    )
    return _warped(one.product.alpha[first:], forward, box, times)


def _warped(
    part: NDArray[np.uint8] | NDArray[np.float32],
    forward: NDArray[np.float64],
    box: tuple[int, int, int, int],
    times: int,
) -> NDArray[np.float32]:
    """A part moved by an affine map of pixels into a box (left, top, right, bottom), so many times smaller.

    A smaller pixel is the mean of the pixels that it stands for; its middle lies between theirs.
    """
    left, top, right, bottom = box
    if times > 1:
        height, width = part.shape
        part = cv2.copyMakeBorder(part, 0, -height % times, 0, -width % times, cv2.BORDER_CONSTANT)
        size = part.shape[1] // times, part.shape[0] // times
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        middle = np.full(2, (times - 1) / 2)
        forward = np.column_stack(
            [forward[:, :2], (forward[:, :2] @ middle + forward[:, 2] - middle) / times]
        )
    size = -((left - right) // times), -((top - bottom) // times)
    return cv2.warpAffine(part.astype(np.float32), forward, size, flags=cv2.INTER_LINEAR)


def _under(one: Placed, layer: Layer, box: tuple[int, int, int, int], times: int) -> NDArray[np.float32]:
    """The darkness between a round lower edge and its shadow, in the box, so many times smaller.

    The higher an edge is above the base line, the less dark is the ground under it.
    """
    rows = max(1, round(UNDER * one.product.height))
    below = max(1, round(layer.drop * rows))
    part = one.product.alpha[-rows:] >= SURE
    above = np.where(part.any(axis=0), np.argmax(part[::-1], axis=0), rows)  # rows under each column's edge
    row = np.arange(-rows, below)[:, None]  # 0 is the first one below the base line
    under = (row >= -above) & (row <= layer.drop * above) & (above > 0)
    dark = np.where(under, (255 * (1 - (above / rows) ** 2)).astype(np.float32), np.float32(0))
    place = np.array([[1.0, 0.0, one.left - box[0]], [0.0, 1.0, one.base - rows - box[1]]])
    return _warped(dark, place, box, times)
