"""The two ways to compute a job's predictions: as released, and with precomputed conditioning."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

from vitrine_export.nets.garment_unet import GarmentNet, doubled
from vitrine_export.nets.tryon_unet import TryonNet

Form = Literal["plain", "fast"]
Queries = Literal["all", "person"]
Predict = Callable[[Tensor, Tensor], Tensor]
"""(latents (B, 4, h, w), timesteps (B,)) → predictions (halves · B, 4, h, w), uncond rows first."""


Features = Callable[[Tensor, Tensor, Tensor], list[Tensor]]
"""Features of GarmentNet: latents (B, 4, h, w), timesteps (B,), prompt (B, 77, C) → features by block."""


@dataclass(frozen=True)
class Job:
    """What the steps of B rows share; halves are [uncond, cond] with guidance, [cond] without."""

    fixed: Tensor  # (B, 9, h, w): mask, masked latents, pose latents
    garment: Tensor  # (B, 4, h, w)
    garment_prompt: Tensor  # (B, 77, C)
    text: Tensor  # (halves, B, 77, C)
    image_tokens: Tensor  # (halves, B, 16, C)
    pooled: Tensor  # (halves, B, P)
    time_ids: Tensor  # (B, 6)

    @property
    def halves(self) -> int:
        """2 with guidance, 1 without."""
        return len(self.text)

    def sample(self, latents: Tensor) -> Tensor:
        """Return the UNet's input (halves · B, 13, h, w) for latents (B, 4, h, w)."""
        return torch.cat([torch.cat([latents, self.fixed], dim=1)] * self.halves)


def plain(tryon: TryonNet, garment: Features, job: Job, queries: Queries = "all") -> Predict:
    """Return the released computation: every step computes everything, including the garment's tokens.

    `garment` is a GarmentNet or a method of it; queries="person" omits the queries of garment tokens.
    """
    text, tokens, pooled = (part.flatten(0, 1) for part in (job.text, job.image_tokens, job.pooled))
    time_ids = job.time_ids.repeat(job.halves, 1)

    def predict(latents: Tensor, timesteps: Tensor) -> Tensor:
        features = garment(job.garment, timesteps, job.garment_prompt)
        features = doubled(features) if job.halves == 2 else features
        every = timesteps.repeat(job.halves)
        return tryon(job.sample(latents), every, text, tokens, pooled, time_ids, features, queries=queries)

    return predict


def fast(tryon: TryonNet, garment: GarmentNet, job: Job) -> Predict:
    """Return the same predictions from a job's conditioning, computed here, and garment keys and values."""
    text, tokens, pooled = (part.transpose(0, 1) for part in (job.text, job.image_tokens, job.pooled))
    conditioning = tryon.conditioning(job.fixed, text, tokens, pooled, job.time_ids)

    def predict(latents: Tensor, timesteps: Tensor) -> Tensor:
        garment_kv = tryon.garment_kv(garment(job.garment, timesteps, job.garment_prompt))
        return tryon.predict(latents, timesteps, conditioning, garment_kv).transpose(0, 1).flatten(0, 1)

    return predict


FORMS: Final[Mapping[Form, Callable[[TryonNet, GarmentNet, Job], Predict]]] = {"plain": plain, "fast": fast}
