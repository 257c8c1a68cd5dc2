"""Packs latents of different sizes into one call's tensors, and unpacks the output. Padding is masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

PATCH = 2


@dataclass(frozen=True)
class FluxRows:
    """The inputs of FluxNet in its order, without time and guidance."""

    patches: Tensor
    picture_ids: Tensor
    picture_valid: Tensor
    text: Tensor
    text_valid: Tensor
    pooled: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors in the net's order."""
        return tuple(getattr(self, field.name) for field in fields(self))


def rows_of(latents: Sequence[Tensor], texts: Sequence[Tensor], pooled: Tensor) -> FluxRows:
    """Latents (C, h, w), texts (n, width) of each row and pooled (B, width) → one call's tensors.

    Raises ValueError for an odd size.
    """
    patches, ids = [patched(latent) for latent in latents], [_ids(latent) for latent in latents]
    picture, text = (
        pad_sequence([torch.ones(len(row), dtype=torch.bool) for row in rows], batch_first=True)
        for rows in (patches, texts)
    )
    filled = [pad_sequence(list(rows), batch_first=True) for rows in (patches, ids, texts)]
    return FluxRows(filled[0], filled[1], picture, filled[2], text, pooled)


def velocities(output: Tensor, latents: Sequence[Tensor]) -> list[Tensor]:
    """The net's output (B, Ni, 4 · C) → each row's velocity dx/dσ, of its latents' shape, float32."""
    return [_unpatched(row, latent.shape[-2:]).float() for row, latent in zip(output, latents, strict=True)]


def patched(latent: Tensor) -> Tensor:
    """(C, h, w) → (h/2 · w/2, 4 · C), the channel first within a patch. Raises ValueError for an odd size."""
    height, width = latent.shape[-2:]
    if height % PATCH or width % PATCH:
        raise ValueError(f"latents must have even sides, got {height} x {width}")
    parted = latent.unflatten(2, (-1, PATCH)).unflatten(1, (-1, PATCH))  # C, tall, p, wide, p
    return parted.permute(1, 3, 0, 2, 4).flatten(2).flatten(0, 1)


def _ids(latent: Tensor) -> Tensor:
    sides = (torch.arange(side // PATCH) for side in latent.shape[-2:])
    return torch.cartesian_prod(torch.tensor([0]), *sides)


def _unpatched(tokens: Tensor, size: Sequence[int]) -> Tensor:
    tall, wide = size[0] // PATCH, size[1] // PATCH
    parted = tokens[: tall * wide].unflatten(-1, (-1, PATCH, PATCH)).unflatten(0, (tall, wide))
    return parted.permute(2, 0, 3, 1, 4).flatten(3).flatten(1, 2)
