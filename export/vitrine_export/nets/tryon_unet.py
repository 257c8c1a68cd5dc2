"""TryonNet: the UNet that repaints the person, attending to garment features, text and image tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from vitrine_export.nets.attention import Cached, ImageAttention, Joint
from vitrine_export.nets.image_projection import ImageProjection, ProjectionShape
from vitrine_export.nets.unet_steps import Site, steps_of, traverse


@dataclass(frozen=True)
class Conditioning:
    """What a job computes once. Halves are [uncond, cond], or [cond] without guidance."""

    base: Tensor  # (R, C0, h, w): conv_in of mask, masked latents and pose latents, with its bias
    added: Tensor  # (R, halves, E): add_embedding's output
    text_kv: Tensor  # (R, halves, 77, T)
    image_kv: Tensor  # (R, halves, 16, T)


class TryonNet(nn.Module):
    """The 13-channel UNet: latents 4 · mask 1 · masked latents 4 · pose latents 4."""

    def __init__(self, unet: UNet2DConditionModel, projection: ProjectionShape) -> None:
        super().__init__()
        self.unet = unet
        unet.encoder_hid_proj = ImageProjection(projection)
        self.steps = steps_of(unet)
        for site in self.sites:
            attention = site.block.attn2
            attention.processor = ImageAttention(attention.to_k.in_features, site.channels)
        self.context_slices = _slices([site.channels for site in self.sites])
        self.garment_slices = self._garment_slices()

    @property
    def sites(self) -> tuple[Site, ...]:
        """The transformer blocks in execution order."""
        return tuple(site for step in self.steps for site in step.sites)

    @property
    def levels(self) -> int:
        """The number of distinct token counts of the attentions."""
        return 1 + max(site.level for site in self.sites)

    def image_tokens(self, hidden_states: Tensor) -> Tensor:
        """Image encoder hidden states (R, M, D) → image tokens (R, 16, context)."""
        return self.unet.encoder_hid_proj(hidden_states)

    def forward(
        self,
        sample: Tensor,
        timesteps: Tensor,
        text: Tensor,
        image_tokens: Tensor,
        pooled: Tensor,
        time_ids: Tensor,
        features: list[Tensor],
        queries: Literal["all", "person"] = "person",
    ) -> Tensor:
        """Predict (R, 4, h, w) for sample (R, 13, h, w); timesteps (R,) give each row its own.

        text (R, 77, context), image_tokens (R, 16, context), pooled (R, P), time_ids (R, 6); features as
        GarmentNet gives them: zeros in a row without garment. `queries="all"` is the released computation.
        """
        attending = Joint(text, image_tokens, features, queries)
        embedding = self._time(timesteps, sample.dtype) + self.added_embedding(pooled, time_ids)
        return self._finish(traverse(self.steps, self.unet.conv_in(sample), embedding, attending))

    def conditioning(
        self, fixed: Tensor, text: Tensor, image_tokens: Tensor, pooled: Tensor, time_ids: Tensor
    ) -> Conditioning:
        """Compute everything of a job that no step changes.

        fixed (R, 9, h, w) = mask, masked latents, pose latents; text (R, halves, 77, context), image_tokens
        (R, halves, 16, context), pooled (R, halves, P), time_ids (R, 6), the same in both halves.
        """
        conv, halves = self.unet.conv_in, text.shape[1]
        free = conv.in_channels - fixed.shape[1]
        time_ids = time_ids.unsqueeze(1).expand(-1, halves, -1).flatten(0, 1)
        return Conditioning(
            base=F.conv2d(fixed, conv.weight[:, free:], conv.bias, padding=conv.padding),
            added=self.added_embedding(pooled.flatten(0, 1), time_ids).unflatten(0, (-1, halves)),
            text_kv=self._context_kv(text, "to_k", "to_v", image=False),
            image_kv=self._context_kv(image_tokens, "to_k_ip", "to_v_ip", image=True),
        )

    def garment_kv(self, features: list[Tensor]) -> list[Tensor]:
        """Return garment features as keys and values, by level: (R, N, S), [K, V] of each block in order."""
        levels: list[list[Tensor]] = [[] for _ in range(self.levels)]
        for site, feature in zip(self.sites, features, strict=True):
            levels[site.level] += [site.block.attn1.to_k(feature), site.block.attn1.to_v(feature)]
        return [torch.cat(parts, dim=-1) for parts in levels]

    def predict(
        self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning, garment_kv: Sequence[Tensor]
    ) -> Tensor:
        """Predict as `forward`, faster: (R, halves, 4, h, w) for latents (R, 4, h, w) at timesteps (R,)."""
        conv, halves = self.unet.conv_in, conditioning.added.shape[1]
        hidden = conditioning.base + F.conv2d(
            latents, conv.weight[:, : latents.shape[1]], padding=conv.padding
        )
        hidden = hidden.unsqueeze(1).expand(-1, halves, -1, -1, -1).flatten(0, 1)
        time = self._time(timesteps, latents.dtype).unsqueeze(1)
        attending = Cached(
            garment_kv, conditioning.text_kv, conditioning.image_kv, self.context_slices, self.garment_slices
        )
        embedding = (time + conditioning.added).flatten(0, 1)
        return self._finish(traverse(self.steps, hidden, embedding, attending)).unflatten(0, (-1, halves))

    def added_embedding(self, pooled: Tensor, time_ids: Tensor) -> Tensor:
        """Return what pooled text (R, P) and time_ids (R, 6) add to the time embedding: (R, E)."""
        times = self.unet.add_time_proj(time_ids.flatten()).unflatten(0, time_ids.shape).flatten(1)
        return self.unet.add_embedding(torch.cat([pooled, times.to(pooled.dtype)], dim=-1))

    def _time(self, timesteps: Tensor, dtype: torch.dtype) -> Tensor:
        return self.unet.time_embedding(self.unet.time_proj(timesteps).to(dtype))

    def _finish(self, hidden: Tensor) -> Tensor:
        return self.unet.conv_out(self.unet.conv_act(self.unet.conv_norm_out(hidden)))

    def _context_kv(self, context: Tensor, keys: str, values: str, image: bool) -> Tensor:
        owners = [site.block.attn2.processor if image else site.block.attn2 for site in self.sites]
        parts = [getattr(owner, name)(context) for owner in owners for name in (keys, values)]
        return torch.cat(parts, dim=-1)

    def _garment_slices(self) -> list[slice]:
        by_level = [
            _slices([s.channels for s in self.sites if s.level == level]) for level in range(self.levels)
        ]
        return [by_level[site.level].pop(0) for site in self.sites]


def _slices(channels: list[int]) -> list[slice]:
    """Return the slice of each block's [K, V] in the packed last axis."""
    ends = [2 * sum(channels[: index + 1]) for index in range(len(channels))]
    return [slice(end - 2 * width, end) for end, width in zip(ends, channels, strict=True)]
