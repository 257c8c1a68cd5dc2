"""The graphs of the denoise engine, which wrap the nets with named tensors as inputs and outputs.

Each of R rows is a job with its own timestep, guidance and garment. "halves" is 2 for [uncond, cond] with
guidance and 1 for cond only.
"""

import torch
from torch import Tensor, nn

from vitrine_export.nets.garment_unet import GarmentNet
from vitrine_export.nets.tryon_unet import Conditioning, TryonNet


class GarmentGraph(nn.Module):
    """Garment latents at a timestep → TryonNet's keys and values of them, by attention level."""

    def __init__(self, garment: GarmentNet, tryon: TryonNet) -> None:
        super().__init__()
        self.garment, self.tryon = garment, tryon

    def forward(
        self, garment_latents: Tensor, timestep: Tensor, garment_prompt_embeds: Tensor
    ) -> tuple[Tensor, ...]:
        """(R, 4, h, w), (R,), (R, 77, C) → garment_kv_0 … garment_kv_{J-1}: (R, N_j, S_j), finest first."""
        features = self.garment(garment_latents, timestep, garment_prompt_embeds)
        return tuple(self.tryon.garment_kv(features))


class ConditioningGraph(nn.Module):
    """Computes a job's fixed part of conv_in, its added embedding, and its text and image keys and values."""

    def __init__(self, tryon: TryonNet) -> None:
        super().__init__()
        self.tryon = tryon

    def forward(
        self,
        mask_latent: Tensor,
        masked_latents: Tensor,
        pose_latents: Tensor,
        prompt_embeds: Tensor,
        pooled_prompt_embeds: Tensor,
        image_tokens: Tensor,
        time_ids: Tensor,
    ) -> tuple[Tensor, ...]:
        """(R, 1, h, w), 2 × (R, 4, h, w), (R, halves, 77, C), (R, halves, P), (R, halves, 16, C), (R, 6).

        → base (R, C0, h, w), added (R, halves, E), text_kv (R, halves, 77, T), image_kv (R, halves, 16, T).
        """
        fixed = torch.cat([mask_latent, masked_latents, pose_latents], dim=1)
        computed = self.tryon.conditioning(fixed, prompt_embeds, image_tokens, pooled_prompt_embeds, time_ids)
        return computed.base, computed.added, computed.text_kv, computed.image_kv


class UnetGraph(nn.Module):
    """One denoising step with the guidance inside."""

    def __init__(self, tryon: TryonNet) -> None:
        super().__init__()
        self.tryon = tryon

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        guidance: Tensor,
        base: Tensor,
        added: Tensor,
        text_kv: Tensor,
        image_kv: Tensor,
        *garment_kv: Tensor,
    ) -> Tensor:
        """Latents (R, 4, h, w) at timestep (R,), guidance g (R,) → prediction u + g·(c − u): (R, 4, h, w)."""
        conditioning = Conditioning(base, added, text_kv, image_kv)
        uncond, cond = self.tryon.predict(latents, timestep, conditioning, garment_kv).unbind(1)
        return uncond + guidance[:, None, None, None] * (cond - uncond)


class UnetCondGraph(nn.Module):
    """One denoising step without guidance: `UnetGraph` on cond only, with half the work."""

    def __init__(self, tryon: TryonNet) -> None:
        super().__init__()
        self.tryon = tryon

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        base: Tensor,
        added: Tensor,
        text_kv: Tensor,
        image_kv: Tensor,
        *garment_kv: Tensor,
    ) -> Tensor:
        """Latents (R, 4, h, w) at timestep (R,), halves of size 1 → prediction (R, 4, h, w)."""
        conditioning = Conditioning(base, added, text_kv, image_kv)
        return self.tryon.predict(latents, timestep, conditioning, garment_kv)[:, 0]
