"""Runs the VAE on overlapping tiles of large pictures, so that the tile limits the memory.

Neighbouring tiles are blended with linear ramps over their overlap. A picture of at most `tile` latents per
side is one tile, and nothing changes. For larger ones the result differs slightly from the whole picture's,
because the VAE's norms and attention see one tile only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

FACTOR = 8  # pixels per latent pixel, per side
TILE = 128  # latent pixels per side, 1024 pixels; larger pictures are split
OVERLAP = 32  # latents that neighbouring tiles share at least

Call = Callable[[Tensor], Tensor]


def decode(decoder: Call, latents: Tensor, tile: int = TILE, overlap: int = OVERLAP) -> Tensor:
    """Latents (B, C, h, w) → pixels (B, 3, 8h, 8w)."""
    return _blended(decoder, latents, tile, overlap, FACTOR, 1)


def encode(encoder: Call, pixels: Tensor, tile: int = TILE, overlap: int = OVERLAP) -> Tensor:
    """Pixels (B, 3, 8h, 8w) → latents (B, C, h, w); `tile` and `overlap` count latents."""
    return _blended(encoder, pixels, tile, overlap, 1, FACTOR)


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return the starts of the tiles along a side: evenly spread, overlapping by `overlap` or more.

    Raises ValueError unless 0 < overlap < tile.
    """
    if not 0 < overlap < tile:
        raise ValueError(f"overlap must be more than 0 and less than tile {tile}, got {overlap}")
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


def _blended(call: Call, whole_input: Tensor, tile: int, overlap: int, out: int, into: int) -> Tensor:
    """`out` and `into` are the numbers of output and input pixels per latent pixel, per side."""
    height, width = (side // into for side in whole_input.shape[-2:])
    if height <= tile and width <= tile:
        return call(whole_input)
    rows, columns = starts(height, tile, overlap), starts(width, tile, overlap)
    total: Tensor | None = None
    weights = torch.zeros(height * out, width * out)
    for top in rows:
        for left in columns:
            tall, wide = min(tile, height), min(tile, width)
            part = whole_input[..., top * into : (top + tall) * into, left * into : (left + wide) * into]
            tile_output = call(part)
            ramp = _ramp(top, tall, height, overlap, out)[:, None] * _ramp(left, wide, width, overlap, out)
            if total is None:
                total = tile_output.new_zeros(*tile_output.shape[:2], height * out, width * out)
            place = slice(top * out, (top + tall) * out), slice(left * out, (left + wide) * out)
            total[..., place[0], place[1]] += tile_output * ramp
            weights[place] += ramp
    assert total is not None
    return total / weights


def _ramp(start: int, length: int, whole: int, overlap: int, out: int) -> Tensor:
    """Return a tile's weight along one side: a ramp over the overlap at each end with a neighbour."""
    ramp = torch.ones(length * out)
    rise = (torch.arange(overlap * out) + 0.5) / (overlap * out)
    if start > 0:
        ramp[: len(rise)] *= rise
    if start + length < whole:
        ramp[-len(rise) :] *= rise.flip(0)
    return ramp
