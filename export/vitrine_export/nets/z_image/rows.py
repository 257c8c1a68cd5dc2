"""Packs latents and captions of different sizes into one call's tensors, and unpacks the output.

The net was trained with picture and caption each padded to a multiple of 32 tokens with a learned pad token,
which is attended. Padding to the longest row of a batch is masked instead, because it must change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vitrine_export.nets.z_image.config import PATCH

MULTIPLE = 32
"""Tokens of a picture and of a caption come in multiples of this."""


@dataclass(frozen=True)
class ZImageRows:
    """The inputs of ZImageNet in its order, without the time."""

    patches: Tensor
    picture_ids: Tensor
    picture_pad: Tensor
    picture_valid: Tensor
    caption: Tensor
    caption_ids: Tensor
    caption_pad: Tensor
    caption_valid: Tensor

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors in the net's order."""
        return tuple(getattr(self, field.name) for field in fields(self))


def rows_of(latents: Sequence[Tensor], captions: Sequence[Tensor]) -> ZImageRows:
    """Latents (C, h, w) and captions (n, width) of each row → one call's tensors.

    Raises ValueError for an odd size or an empty caption.
    """
    parts = [_row(*pair) for pair in zip(latents, captions, strict=True)]
    return ZImageRows(*(pad_sequence(list(part), batch_first=True) for part in zip(*parts, strict=True)))


def velocities(output: Tensor, latents: Sequence[Tensor]) -> list[Tensor]:
    """The net's output (B, Ni, patch width) → each row's velocity dx/dσ, of its latents' shape, float32."""
    found = zip(output, latents, strict=True)
    return [-_unpatched(row, latent.shape[-2:]).float() for row, latent in found]


def _row(latent: Tensor, caption: Tensor) -> tuple[Tensor, ...]:
    """Return one row's part of every tensor, in the net's order."""
    height, width = latent.shape[-2:]
    if height % PATCH or width % PATCH:
        raise ValueError(f"latents must have even sides, got {height} x {width}")
    if len(caption) == 0:
        raise ValueError("a caption must have 1 token or more, got 0")
    caption, caption_pad = _filled(caption)
    words = len(caption)
    caption_ids = torch.zeros(words, 3, dtype=torch.int64)
    caption_ids[:, 0] = torch.arange(1, words + 1)
    tall, wide = height // PATCH, width // PATCH
    patches, picture_pad = _filled(_patched(latent))
    picture_ids = torch.zeros(len(patches), 3, dtype=torch.int64)  # pads stay at (0, 0, 0)
    picture_ids[: tall * wide] = torch.cartesian_prod(
        torch.tensor([words + 1]), torch.arange(tall), torch.arange(wide)
    )
    return (
        *(patches, picture_ids, picture_pad, torch.ones_like(picture_pad)),
        *(caption, caption_ids, caption_pad, torch.ones_like(caption_pad)),
    )


def _filled(tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Pad tokens to the next multiple; return them and the mask of pad tokens."""
    missing = -len(tokens) % MULTIPLE
    pad = torch.arange(len(tokens) + missing) >= len(tokens)
    return torch.cat([tokens, tokens.new_zeros(missing, tokens.shape[-1])]), pad


def _patched(latent: Tensor) -> Tensor:
    """(C, h, w) → (h/2 · w/2, 4 · C), the channel last within a patch."""
    parted = latent.unflatten(2, (-1, PATCH)).unflatten(1, (-1, PATCH))  # C, tall, p, wide, p
    return parted.permute(1, 3, 2, 4, 0).flatten(2).flatten(0, 1)


def _unpatched(tokens: Tensor, size: Sequence[int]) -> Tensor:
    tall, wide = size[0] // PATCH, size[1] // PATCH
    parted = tokens[: tall * wide].unflatten(-1, (PATCH, PATCH, -1)).unflatten(0, (tall, wide))
    return parted.permute(4, 0, 2, 1, 3).flatten(3).flatten(1, 2)
