"""A sample as pixels, with the truth that belongs to them."""

from dataclasses import dataclass

import cv2
import numpy as np

from vitrine_world.shop.daylight import SIDES, TIMES, Field
from vitrine_world.shop.paint import Easel, Pixels
from vitrine_world.shop.sampling import Sample
from vitrine_world.shop.scene import Scene, scene
from vitrine_world.shop.styles import STYLES

SIZE = 128
"""Side in px of the pictures that small networks are trained on."""

SOFTNESS = 0.008
"""Standard deviation of a shadow's edge, as a share of the picture's side."""
WALL_SHADOW, INK_SHADOW = 0.86, 0.9
"""Share of light in the shadow of decoration, and in every shadow of a drawing in ink."""
INK_WASH = 0.85
"""How much of its colour a product keeps in a drawing in ink; all else is paper."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture and its truth, arrays of one size.

    `picture` and `scene` (the same without the product and its shadow) are (size, size, 3) uint8 RGB.
    `cut_out` is (size, size, 4) uint8, the product's own colours with its alpha; `shadow` is (size, size)
    uint8, the share of the scene's light that the product takes, 255 all of it. With a = alpha / 255 and
    s = shadow / 255, picture = a · cut_out + (1 − a) · (1 − s) · scene, rounded.
    """

    picture: Pixels
    scene: Pixels
    cut_out: Pixels
    shadow: Pixels

    @property
    def alpha(self) -> Pixels:
        """The product's alpha, (size, size) uint8."""
        return self.cut_out[..., 3]

    @property
    def product(self) -> Pixels:
        """The product alone on white, (size, size, 3) uint8 RGB."""
        return over(self.cut_out, np.full_like(self.scene, 255))


def draw(sample: Sample, size: int = SIZE, style: str = "plain") -> Drawing:
    """Draw a sample with a side of `size` px, in one of STYLES. Raises ValueError for an unknown style."""
    if size < 1:
        raise ValueError(f"size must be at least 1 px, got {size}")
    if style not in STYLES:
        raise ValueError(f"style must be one of {sorted(STYLES)}, got {style!r}")
    laid, facts = scene(sample), sample.facts
    light = STYLES[style].light(facts.time, facts.light, size)
    empty = _lit(_without_product(sample, laid, size, style), light)
    cut_out = _cut_out(sample, laid, size, style, light)
    shadow = _shadow(sample, laid, size, style)
    shaded = np.rint(empty * (1.0 - shadow[..., None] / np.float32(255.0)))
    return Drawing(over(cut_out, shaded), empty, cut_out, shadow)


def over(cut_out: Pixels, ground: np.ndarray) -> Pixels:
    """Composite a cut-out (height, width, 4) over a ground (height, width, 3); returns uint8 RGB."""
    alpha = cut_out[..., 3:] / np.float32(255.0)
    return np.rint(alpha * cut_out[..., :3] + (1.0 - alpha) * ground).astype(np.uint8)


def _without_product(sample: Sample, laid: Scene, size: int, style: str) -> Pixels:
    facts, inked = sample.facts, STYLES[style].inked
    easel = Easel(size, SIDES[facts.light].away, inked)
    edge = easel.row(sample.layout.horizon)
    easel.ground(laid.ground)
    easel.darken(laid.wall_shadow, INK_SHADOW if inked else WALL_SHADOW, slice(0, edge))
    easel.paint(laid.decoration)
    easel.ground(laid.grain)
    depth = 1.0 - TIMES[facts.time].depth
    easel.darken(laid.props_shadow, INK_SHADOW if inked else depth, slice(edge, None))
    easel.paint(laid.props)
    return easel.averaged(easel.pixels)


def _cut_out(sample: Sample, laid: Scene, size: int, style: str, light: Field) -> Pixels:
    inked = STYLES[style].inked
    easel = Easel(size, SIDES[sample.facts.light].away, inked, INK_WASH)
    easel.paint(laid.product)
    mask = easel.mask(layer.outline for layer in laid.product)
    inside = cv2.bitwise_and(easel.pixels, easel.pixels, mask=mask)
    alpha = easel.averaged(mask)
    share = np.maximum(alpha, 1)[..., None] / np.float32(255.0)
    colours = _lit(np.minimum(easel.averaged(inside) / share, 255.0), light)
    return np.dstack([np.where(alpha[..., None] > 0, colours, 255).astype(np.uint8), alpha])


def _shadow(sample: Sample, laid: Scene, size: int, style: str) -> Pixels:
    """Return the share of light that the product's shadow takes: on the table only, with a soft edge."""
    easel = Easel(size, SIDES[sample.facts.light].away)
    mask = easel.mask(laid.product_shadow)
    mask[: easel.row(sample.layout.horizon)] = 0
    depth = 1.0 - INK_SHADOW if STYLES[style].inked else TIMES[sample.facts.time].depth
    soft = cv2.GaussianBlur(easel.averaged(mask), (0, 0), max(SOFTNESS * size, 0.3))
    return np.rint(soft * depth).astype(np.uint8)


def _lit(pixels: np.ndarray, light: Field) -> Pixels:
    return np.rint(np.minimum(pixels * light, 255.0)).astype(np.uint8)
