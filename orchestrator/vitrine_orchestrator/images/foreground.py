"""Estimates the colours of a product at its soft edge, so that no fringe of the old background stays.

A pixel I of the edge is a mixture αF + (1 - α)B of product and background. Blurred colours of both sides,
weighted by their shares, give first estimates; the mixture's remaining error is then added to F. From Forte,
"Approximate Fast Foreground Colour Estimation" (ICIP 2021), section 2, with three passes instead of two.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from vitrine_orchestrator.images.region import box_around

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
            box = box_around(soft[top : top + TILE, left : left + TILE].view(np.uint8))
            if box is None:
                continue
            rows, columns = (_moved(one, by) for one, by in zip(box, (top, left), strict=True))
            here = soft[rows, columns]
            colours[rows, columns][here] = _estimated(picture, alpha, rows, columns)[here]
    return colours


def _moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


def _estimated(
    picture: NDArray[np.uint8], alpha: NDArray[np.uint8], rows: slice, columns: slice
) -> NDArray[np.uint8]:
    """The estimate for these rows and columns, from their pixels and those around them."""
    above, before = min(rows.start, MARGIN), min(columns.start, MARGIN)
    seen = (
        slice(rows.start - above, rows.stop + MARGIN),
        slice(columns.start - before, columns.stop + MARGIN),
    )
    mixed = picture[seen].astype(np.float32)
    share = alpha[seen].astype(np.float32)[..., None] / np.float32(255)
    product, ground = mixed, mixed
    for window in WINDOWS:
        product, ground = _pass(mixed, share, product, ground, window)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    return np.rint(product[above : above + height, before : before + width]).astype(np.uint8)


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
