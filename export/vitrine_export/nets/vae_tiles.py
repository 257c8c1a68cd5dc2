"""Large pictures through the VAE in overlapping tiles, so that memory is bounded by the tile.

Neighbouring tiles are blended with straight ramps over their overlap. At most `tile` latents a side, a
picture is one tile, and nothing changes; past that, the result is close to the whole's and not equal to it,
since the VAE's norms and attention see one tile only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

FACTOR = 8  # pixels of a latent, a side
TILE = 128  # latents a side: 1024 pixels
OVERLAP = 32  # latents that neighbouring tiles share at least

Call = Callable[[Tensor], Tensor]


def decode(decoder: Call, latents: Tensor, tile: int = TILE, overlap: int = OVERLAP) -> Tensor:
    """Latents (B, C, h, w) → pixels (B, 3, 8h, 8w)."""
    return _blended(decoder, latents, tile, overlap, FACTOR, 1)


def encode(encoder: Call, pixels: Tensor, tile: int = TILE, overlap: int = OVERLAP) -> Tensor:
    """Pixels (B, 3, 8h, 8w) → latents (B, C, h, w); `tile` and `overlap` count latents."""
    return _blended(encoder, pixels, tile, overlap, 1, FACTOR)


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where the tiles of a side begin: evenly spread, each pair sharing `overlap` or more.

    Raises ValueError unless 0 < overlap < tile.
    """
    if not 0 < overlap < tile:
        raise ValueError(f"overlap must be more than 0 and less than tile {tile}, got {overlap}")
    if length <= tile:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


def _blended(call: Call, given: Tensor, tile: int, overlap: int, out: int, into: int) -> Tensor:
    """`out` and `into`: how many places of the output and of the input a latent is, a side."""
    height, width = (side // into for side in given.shape[-2:])
    if height <= tile and width <= tile:
        return call(given)
    rows, columns = starts(height, tile, overlap), starts(width, tile, overlap)
    total: Tensor | None = None
    weights = torch.zeros(height * out, width * out)
    for top in rows:
        for left in columns:
            tall, wide = min(tile, height), min(tile, width)
            part = given[..., top * into : (top + tall) * into, left * into : (left + wide) * into]
            made = call(part)
            ramp = _ramp(top, tall, height, overlap, out)[:, None] * _ramp(left, wide, width, overlap, out)
            if total is None:
                total = made.new_zeros(*made.shape[:2], height * out, width * out)
            place = slice(top * out, (top + tall) * out), slice(left * out, (left + wide) * out)
            total[..., place[0], place[1]] += made * ramp
            weights[place] += ramp
    assert total is not None
    return total / weights


def _ramp(start: int, length: int, whole: int, overlap: int, out: int) -> Tensor:
    """A tile's weight along one side: rising over the overlap where it has a neighbour before, and so on."""
    ramp = torch.ones(length * out)
    rise = (torch.arange(overlap * out) + 0.5) / (overlap * out)
    if start > 0:
        ramp[: len(rise)] *= rise
    if start + length < whole:
        ramp[-len(rise) :] *= rise.flip(0)
    return ramp
