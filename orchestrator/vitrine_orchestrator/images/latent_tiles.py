"""Runs a VAE on overlapping tiles of large pictures, one after the other, so that the tile limits the memory.

Neighbouring tiles are blended with linear ramps over their overlap. A picture of at most `TILE` latents per
side is one tile, and nothing changes. For larger ones the result differs slightly from the whole picture's,
because the VAE's norms and attention see one tile only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from fractions import Fraction

import numpy as np

FACTOR = 8  # picture pixels of one latent pixel, per side
TILE = 128  # latents per side, 1024 pixels
OVERLAP = 32  # latents that neighbouring tiles share at least

Network = Callable[[np.ndarray], Awaitable[np.ndarray]]
"""From (C, h, w) to (D, h · scale, w · scale), float32."""


async def decoded(decoder: Network, latents: np.ndarray, tile: int = TILE) -> np.ndarray:
    """Latents (C, h, w) → pixels (3, 8h, 8w)."""
    return await _blended(decoder, latents, tile, OVERLAP * tile // TILE, Fraction(FACTOR))


async def encoded(encoder: Network, pixels: np.ndarray, tile: int = TILE) -> np.ndarray:
    """Pixels (3, 8h, 8w) → latents (C, h, w); `tile` counts latents."""
    overlap = OVERLAP * tile // TILE
    return await _blended(encoder, pixels, tile * FACTOR, overlap * FACTOR, Fraction(1, FACTOR))


def starts(length: int, tile: int, overlap: int, step: int = 1) -> list[int]:
    """The starts of the tiles along a side, multiples of `step`: evenly spread, overlapping by `overlap`."""
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    last = (length - tile) // step
    return [round(index * last / (count - 1)) * step for index in range(count)]


async def _blended(
    network: Network, whole: np.ndarray, tile: int, overlap: int, scale: Fraction
) -> np.ndarray:
    height, width = whole.shape[1:]
    if height <= tile and width <= tile:
        return await network(whole)
    step = scale.denominator  # tiles begin at whole pixels of the output
    total, weights = np.zeros((0, 0, 0), np.float32), np.zeros((int(height * scale), int(width * scale)))
    for top in starts(height, tile, overlap, step):
        for left in starts(width, tile, overlap, step):
            bottom, right = min(top + tile, height), min(left + tile, width)
            part = await network(np.ascontiguousarray(whole[:, top:bottom, left:right]))
            down = _ramp(top, bottom, height, overlap, scale)
            ramp = down[:, None] * _ramp(left, right, width, overlap, scale)
            if not total.size:
                total = np.zeros((len(part), *weights.shape), np.float32)
            rows = slice(int(top * scale), int(bottom * scale))
            columns = slice(int(left * scale), int(right * scale))
            total[:, rows, columns] += part * ramp
            weights[rows, columns] += ramp
    return total / weights.astype(np.float32)


def _ramp(start: int, end: int, whole: int, overlap: int, scale: Fraction) -> np.ndarray:
    """A tile's weight along one side: a ramp over the overlap at each end with a neighbour."""
    ramp = np.ones(int((end - start) * scale), np.float32)
    shared = int(overlap * scale)
    rise = (np.arange(shared, dtype=np.float32) + 0.5) / shared
    if start > 0:
        ramp[:shared] *= rise
    if end < whole:
        ramp[-shared:] *= rise[::-1]
    return ramp
