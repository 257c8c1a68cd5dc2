"""Estimates the colours of a product at its soft edge, so that no fringe of the old background stays.

A pixel I of the edge is a mixture αF + (1 - α)B of product and background. Blurred colours of both sides,
weighted by their shares, give first estimates; the mixture's remaining error is then added to F. From Forte,
"Approximate Fast Foreground Colour Estimation" (ICIP 2021), section 2, with three passes instead of two.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.float32]  # (height, width, 3) in 0 to 255

WINDOWS = (60, 20, 6)
"""The blurs' widths of the passes, in pixels. The paper's are 90 and 6: see docs/decisions.md."""
MARGIN = sum(WINDOWS) // 2 + len(WINDOWS)
"""How far the colour of a pixel depends on others, in pixels."""
TILE = 512
"""Pixels of a side that are computed at once; it limits the memory."""
LITTLE = 1e-5
"""Keeps quotients finite where one side has no share."""


def foreground(picture: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The product's colours (height, width, 3) of a picture, by its alpha (height, width) in 0 to 255.

    Opaque pixels are the picture's own. Transparent ones are black: nothing of the background remains.
    """
    colours = np.where((alpha == 255)[..., None], picture, np.uint8(0))
    soft = (alpha > 0) & (alpha < 255)
    height, width = alpha.shape
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            tile = slice(top, top + TILE), slice(left, left + TILE)
            if soft[tile].any():
                colours[tile][soft[tile]] = _estimated(picture, alpha, top, left)[soft[tile]]
    return colours


def _estimated(
    picture: NDArray[np.uint8], alpha: NDArray[np.uint8], top: int, left: int
) -> NDArray[np.uint8]:
    """The estimate for the tile that begins at `top` and `left`, from its pixels and those around it."""
    above, before = min(top, MARGIN), min(left, MARGIN)
    seen = slice(top - above, top + TILE + MARGIN), slice(left - before, left + TILE + MARGIN)
    mixed = picture[seen].astype(np.float32)
    share = alpha[seen].astype(np.float32)[..., None] / np.float32(255)
    product, ground = mixed, mixed
    for window in WINDOWS:
        product, ground = _pass(mixed, share, product, ground, window)
    tile = slice(above, above + TILE), slice(before, before + TILE)
    return np.rint(product[tile]).astype(np.uint8)


def _pass(
    mixed: Colours, share: Colours, product: Colours, ground: Colours, window: int
) -> tuple[Colours, Colours]:
    """Better estimates of both sides' colours."""
    near = _blurred(share, window)
    mean_product = _blurred(product * share, window) / (near + LITTLE)
    mean_ground = _blurred(ground * (1 - share), window) / (1 - near + LITTLE)
    missing = mixed - share * mean_product - (1 - share) * mean_ground
    return np.clip(mean_product + share * missing, 0, 255), mean_ground


def _blurred(values: Colours, window: int) -> Colours:
    """The mean over a square window; the last axis stays."""
    blurred = cv2.blur(values, (window, window), borderType=cv2.BORDER_REFLECT)
    return blurred if values.shape[2] > 1 else blurred[..., None]
