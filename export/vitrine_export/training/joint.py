"""The last phase: both UNets and the decoder learn together, from the pixels of what they make.

Apart, the UNets do not know which errors in the latents show, and the decoder knows no latents but true ones.
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
from vitrine_export.training.loop import device, fit
from vitrine_export.training.recipe import PLANS, SEED
from vitrine_export.training.tryon import Nets, Teacher, latent_error
from vitrine_export.training.vae import picture_error

LATENTS = 0.1
"""How much the error of the latents counts, next to that of the pixels: it keeps them the encoder's."""

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Rows of the set (N,), the wanted pictures (N, 3, H, W), the weights of their pixels (N, 1, H, W)."""


class Whole(nn.Module):
    """All that makes a picture of latents: the try-on nets and the decoder."""

    def __init__(self, nets: Nets, vae: AutoencoderKL) -> None:
        super().__init__()
        self.nets, self.decoder, self.post_quant_conv = nets, vae.decoder, vae.post_quant_conv
        self.scale = vae.config.scaling_factor

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Scaled latents (N, 4, h, w) to pixels (N, 3, 8h, 8w)."""
        return self.decoder(self.post_quant_conv(latents / self.scale))


def finish(nets: Nets, vae: AutoencoderKL, data: TryOnSet, folder: Path) -> None:
    """Train `nets` and the decoder of `vae` in place, on samples that the nets have not seen."""
    plan = PLANS["finish"]
    vae.encoder.requires_grad_(False)
    whole, teach = Whole(nets, vae), Teacher(data, folder)

    def loss_of(batch: Batch, step: int) -> torch.Tensor:
        indices, pixels, weight = batch
        rows = data.rows(indices)
        guess = teach.guess(nets, indices, rows, step)
        picture = picture_error(whole.decode(guess), pixels.to(device()), weight.to(device()))
        return picture + LATENTS * latent_error(guess, rows)

    def batches(first: int) -> Iterator[Batch]:
        return draws.batches(partial(draw_answer, data.samples), first, plan.steps, plan.batch)

    fit("finish", whole, loss_of, batches, plan, folder)


def draw_answer(samples: range, index: int) -> Batch:
    """The next row of a set: which one, the picture that is wanted, and its weights; round and round."""
    row = index % len(samples)
    made = dolls.sample(SEED + 100, samples[row])
    painted = torch.from_numpy(draws.mask_of(made.person, made.category) > 0)
    target = draws.signed(dolls.draw_person(made.target))
    return torch.tensor(row), target, draws.weights(painted[None])
