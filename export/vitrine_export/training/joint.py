"""The phase after the separate ones: both UNets and the decoder jointly, on the error of decoded pixels.

Trained separately, the UNets do not learn which errors of the latents are visible, and the decoder learns
only from the latents of true pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn
from vitrine_world import dolls

from vitrine_export.training import draws
from vitrine_export.training.latents import TryOnSet
from vitrine_export.training.loop import autocast, device, fit
from vitrine_export.training.recipe import PLANS, SEED
from vitrine_export.training.tryon import LatentPredictor, Nets, latent_error
from vitrine_export.training.vae import picture_error

LATENT_WEIGHT = 0.1
"""Weight of the latents' error; without it the latents would move away from the encoder's."""

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Row numbers in the set (N,), target pictures (N, 3, H, W), and weights of their pixels (N, 1, H, W)."""


class NetsAndDecoder(nn.Module):
    """The try-on nets and the VAE's decoder as one module, so that one optimiser trains them."""

    def __init__(self, nets: Nets, vae: AutoencoderKL) -> None:
        super().__init__()
        self.nets, self.decoder, self.post_quant_conv = nets, vae.decoder, vae.post_quant_conv
        self.scale = vae.config.scaling_factor

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode scaled latents (N, 4, h, w) to pixels (N, 3, 8h, 8w) in [-1, 1]."""
        return self.decoder(self.post_quant_conv(latents / self.scale))


def train_jointly(nets: Nets, vae: AutoencoderKL, data: TryOnSet, folder: Path) -> None:
    """Train `nets` and the decoder of `vae` in place; `data` should be samples that they have not seen."""
    plan = PLANS["finish"]
    vae.encoder.requires_grad_(False)
    both, predictor = NetsAndDecoder(nets, vae), LatentPredictor(data, folder)

    def loss_of(batch: Batch, step: int) -> torch.Tensor:
        indices, pixels, weight = batch
        rows = data.rows(indices)
        with autocast():
            predicted = predictor.predict(nets, indices, rows, step)
            made = both.decode(predicted)
        picture = picture_error(made.float(), pixels.to(device()), weight.to(device()))
        return picture + LATENT_WEIGHT * latent_error(predicted.float(), rows)

    def batches(first: int) -> Iterator[Batch]:
        return draws.batches(partial(draw_target, data.samples), first, plan.steps, plan.batch)

    fit("finish", both, loss_of, batches, plan, folder)


def draw_target(samples: range, index: int) -> Batch:
    """Return row `index` modulo the size of a set: its number, target picture and weights."""
    row = index % len(samples)
    made = dolls.sample(SEED + 100, samples[row])
    painted = torch.from_numpy(draws.mask_of(made.person, made.category) > 0)
    target = draws.signed(dolls.draw_person(made.target))
    return torch.tensor(row), target, draws.weights(painted[None])
