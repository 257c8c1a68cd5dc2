"""Products on a transparent ground: cropped to their object, scaled, and placed in a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from vitrine.errors import BadRequest

from vitrine_orchestrator.images.region import box_around
from vitrine_orchestrator.pictures import Picture

Alpha = NDArray[np.uint8]  # (height, width), 255 opaque

SEEN = 8
"""The least alpha of a pixel that counts as part of the object."""
LITTLE = 1e-6
"""Keeps a height that was a whole number of pixels before it was a share."""
SURE = 128
"""The alpha that an object reaches somewhere."""


@dataclass(frozen=True, eq=False)
class Product:
    """A product, cropped to its object."""

    colours: Picture  # (height, width, 3), the product's own
    alpha: Alpha

    @property
    def height(self) -> int:
        """In pixels."""
        return self.alpha.shape[0]

    @property
    def width(self) -> int:
        """In pixels."""
        return self.alpha.shape[1]


@dataclass(frozen=True, eq=False)
class Placed:
    """A scaled product at its place in a scene; parts of it may lie outside."""

    index: int  # of the product among those that were given
    product: Product
    left: int  # of the scene's pixel that its first column covers
    top: int
    order: int = 0

    @property
    def base(self) -> int:
        """The row below its lowest one."""
        return self.top + self.product.height

    @property
    def right(self) -> int:
        """The column after its last one."""
        return self.left + self.product.width

    def inside(self, height: int, width: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Rows and columns of a scene that it covers, and the product's own that lie there."""
        top, left = max(self.top, 0), max(self.left, 0)
        bottom, right = min(self.base, height), min(self.right, width)
        scene = slice(top, max(bottom, top)), slice(left, max(right, left))
        own = (
            slice(top - self.top, max(bottom, top) - self.top),
            slice(left - self.left, max(right, left) - self.left),
        )
        return scene, own

    def alpha_in(self, height: int, width: int) -> Alpha:
        """Its alpha in a scene (height, width)."""
        whole = np.zeros((height, width), np.uint8)
        scene, own = self.inside(height, width)
        whole[scene] = self.product.alpha[own]
        return whole


def product_of(colours: Picture, alpha: Alpha, name: str) -> Product:
    """The product of a picture (height, width, 3) with its alpha; BadRequest where it shows no object."""
    largest = int(alpha.max(initial=0))
    if largest < SURE:
        raise BadRequest(
            f"{name} must show an object: its largest alpha must be at least {SURE}, got {largest}"
        )
    box = box_around((alpha >= SEEN).astype(np.uint8))
    assert box is not None, "a pixel of the largest alpha is seen"
    return Product(np.ascontiguousarray(colours[box]), np.ascontiguousarray(alpha[box]))


def scaled(product: Product, height: float) -> Product:
    """The product with that height in pixels, cut to whole ones; unchanged where it has it already.

    Colours count by their alpha, so that no colour of transparent pixels gets into the edge. The filter has
    no negative weights, which would brighten the edge.
    """
    whole = max(1, int(height + LITTLE))
    if whole == product.height and height >= 1:
        return product
    width = max(1, round(product.width * (whole if height >= 1 else height) / product.height))
    levels = Image.fromarray(np.dstack([product.colours, product.alpha]))
    resized = np.asarray(levels.resize((width, whole), Image.Resampling.HAMMING))
    return Product(np.ascontiguousarray(resized[..., :3]), np.ascontiguousarray(resized[..., 3]))


def overlap(one: Placed, other: Placed, height: int, width: int) -> float:
    """The alpha-IoU of two products in a scene: 0 apart, 1 the same."""
    first, second = _seen(one, height, width), _seen(other, height, width)
    left, right = max(one.left, other.left, 0), min(one.right, other.right, width)
    top, bottom = max(one.top, other.top, 0), min(one.base, other.base, height)
    if left >= right or top >= bottom:
        return 0.0
    shared = (
        each.product.alpha[top - each.top : bottom - each.top, left - each.left : right - each.left]
        for each in (one, other)
    )
    both = int(np.minimum(*shared).sum(dtype=np.int64))
    return both / max(first + second - both, 1)


def _seen(one: Placed, height: int, width: int) -> int:
    """The sum of a product's alpha inside of a scene."""
    _, own = one.inside(height, width)
    return int(one.product.alpha[own].sum(dtype=np.int64))
