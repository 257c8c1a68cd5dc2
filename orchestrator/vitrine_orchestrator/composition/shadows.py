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

from vitrine_orchestrator.composition.products import Placed
from vitrine_orchestrator.composition.settings import ShadowKind

Shadow = NDArray[np.uint8]  # (height, width), the share of the light that is taken; 255 all of it

DARKEST = 0.9
"""The most light that shadows take."""


@dataclass(frozen=True)
class Layer:
    """One layer of a shadow; lengths in heights of the product."""

    part: float  # how much of the product throws it, from its lowest row up
    reach: float  # how far the shadow of a point goes away from the light, by its height above the base line
    drop: float  # how far it goes towards the viewer: below 0 away from him
    lift: float  # how far below the base line it begins
    blur: float  # standard deviation of its edge
    share: float  # of the light


CONTACT = Layer(part=0.12, reach=0.0, drop=-0.25, lift=0.015, blur=0.012, share=0.6)
"""Dark and narrow, where the product touches the ground."""
CAST = Layer(part=1.0, reach=0.5, drop=0.14, lift=0.0, blur=0.02, share=0.5)
"""Away from the light, and a little towards the viewer: most light comes from behind and above."""
SOFT = Layer(part=0.5, reach=0.0, drop=0.12, lift=0.0, blur=0.045, share=0.4)
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
    high = min(layer.lift, layer.lift + layer.drop * layer.part)
    top = max(0, one.base + int(high * height) - rim)
    bottom = min(light.shape[0], one.base + int(low * height) + rim)
    left = max(0, one.left - (sideways if away < 0 else rim))
    right = min(light.shape[1], one.left + one.product.width + (sideways if away > 0 else rim))
    if top >= bottom or left >= right:
        return
    laid = _laid_down(one, layer, away, (left - rim, top - rim, right + rim, bottom + rim))
    blurred = cv2.GaussianBlur(laid, (0, 0), max(layer.blur * height, 0.4))[rim:-rim, rim:-rim]
    share = np.float32(min(layer.share * strength, DARKEST) / 255)
    light[top:bottom, left:right] *= 1 - share * blurred


def _laid_down(one: Placed, layer: Layer, away: int, box: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """The product's outline on the ground, in a box (left, top, right, bottom) of the scene's pixels."""
    left, top, right, bottom = box
    height = one.product.height
    first = height - max(1, round(layer.part * height))
    part = one.product.alpha[first:].astype(np.float32)
    # A point x, y of the part is height - first - y above the base line.
    above = height - first
    forward = np.array(
        [
            [1.0, -away * layer.reach, one.left - left + away * layer.reach * above],
            [0.0, -layer.drop, one.base - top + layer.lift * height + layer.drop * above],
        ]
    )
    return cv2.warpAffine(part, forward, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
