"""Training of the shop's VAE: the released architecture (factor 8, 16 channels) at small widths."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from vitrine_world import shop

from vitrine_export.training.loop import autocast, device, fit
from vitrine_export.training.muon import Both
from vitrine_export.training.shop.pictures import PictureSet, picture_set, signed
from vitrine_export.training.shop.recipe import PLANS, SEED, VAE
from vitrine_export.training.shop.vae_start import start_as_block_codec
from vitrine_export.training.vae import picture_error

CROP = 64
"""Side of a crop in px; crops are cheaper than whole pictures."""
KL_WEIGHT = 1e-7
PRODUCT_WEIGHT = 2.0
"""How much the product's pixels count, next to the others."""
LATENT_NOISE = 0.1
"""Largest noise on the latents while the decoder is trained alone, in standard deviations of the latents."""
UNSEEN = 977
"""The seed of the samples that measure the error."""
STARTING, MEASURED = 256, 512
"""Pictures whose blocks give the start, and pictures whose latents give the scale."""
PARTS = tuple(f"{part}.{name}" for part in ("encoder", "decoder") for name in ("down", "mid", "up"))
"""The names of the VAE's blocks begin with these."""


def train_codec(folder: Path) -> AutoencoderKL:
    """Train encoder and decoder on crops; the encoder is then as it stays."""
    data = picture_set(folder)
    torch.manual_seed(0)
    vae = AutoencoderKL(**VAE).to(memory_format=torch.channels_last)
    start_as_block_codec(vae, signed(data.pictures[:STARTING]))
    batches = partial(_batches, data, "shop_vae", CROP)
    fit("shop_vae", vae, partial(loss_of, vae), batches, PLANS["shop_vae"], folder, optimiser)
    shift, factor = scale(vae, signed(data.pictures[:MEASURED]))
    vae.register_to_config(shift_factor=shift, scaling_factor=factor)
    return vae


def train_decoder(vae: AutoencoderKL, folder: Path, until: int | None = None) -> AutoencoderKL:
    """Train the decoder alone, in place, on whole pictures, where group norms differ from those of crops."""
    data = picture_set(folder)
    vae.encoder.requires_grad_(False)
    batches = partial(_batches, data, "shop_decoder", data.pictures.shape[1])

    def noisy(batch: tuple[Tensor, Tensor], step: int) -> Tensor:
        with autocast():
            return loss_of(vae, batch, step, LATENT_NOISE)

    fit("shop_decoder", vae, noisy, batches, PLANS["shop_decoder"], folder, optimiser, until)
    return vae


def optimiser(net: nn.Module, lr: float) -> Both:
    """AdamW, and Muon for the few matrices of attention.

    Muon moved the convolutions too far in every direction, with batches this small: the decoder's error rose
    from 0.137 to 0.21 in 60 steps.
    """
    return Both(net, lr, PARTS, ("encoder.conv_out",))


def loss_of(vae: AutoencoderKL, batch: tuple[Tensor, Tensor], step: int, noise: float = 0.0) -> Tensor:
    """The error of pixels, of their squares, and of neighbouring pixels' differences, and a small KL term.

    With `noise`, latents have noise of up to so many of their standard deviations, each row another level,
    because the generator's latents are inexact.
    """
    pixels, weight = (part.to(device()) for part in batch)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    posterior, draw = vae.encode(pixels).latent_dist, torch.Generator(device=vae.device).manual_seed(step)
    latents = posterior.sample(draw)
    if noise:
        level = noise * torch.rand((len(latents), 1, 1, 1), generator=draw, device=vae.device)
        latents = latents + level * latents.std() * torch.randn(latents.shape, generator=draw).to(vae.device)
    made = vae.decode(latents).sample.float()
    squares = (weight * (made - pixels).square()).mean()
    return picture_error(made, pixels, weight) + squares + KL_WEIGHT * posterior.kl().mean()


def crops(data: PictureSet, phase: str, side: int, step: int) -> tuple[Tensor, Tensor]:
    """A step's pictures (R, 3, side, side), and weights of their pixels (R, 1, side, side)."""
    rng = np.random.default_rng([SEED, 3, side, step])
    rows = rng.integers(len(data.pictures), size=PLANS[phase].batch)
    corners = 8 * rng.integers((data.pictures.shape[1] - side) // 8 + 1, size=(len(rows), 2))
    cut = [(row, slice(y, y + side), slice(x, x + side)) for row, (y, x) in zip(rows, corners, strict=True)]
    alphas = torch.from_numpy(np.stack([data.alphas[place] for place in cut]))[:, None] / 255.0
    return signed(np.stack([data.pictures[place] for place in cut])), 1.0 + (PRODUCT_WEIGHT - 1.0) * alphas


def _batches(data: PictureSet, phase: str, side: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
    return (crops(data, phase, side, step) for step in range(first, PLANS[phase].steps))


@torch.no_grad()
def scale(vae: AutoencoderKL, pictures: Tensor) -> tuple[float, float]:
    """The mean of the latents of pictures (N, 3, H, W), and 1 / their standard deviation."""
    found = torch.cat([vae.encode(part.to(vae.device)).latent_dist.mode() for part in pictures.split(16)])
    return round(found.mean().item(), 5), round(1.0 / found.std().item(), 5)


@torch.no_grad()
def mean_error(vae: AutoencoderKL, count: int = 64) -> float:
    """The mean absolute error, a share of the range, of `count` unseen plain pictures after the VAE."""
    drawn = np.stack([shop.draw(shop.sample(UNSEEN, index)).picture for index in range(count)])
    pictures = signed(drawn).to(vae.device)
    made = torch.cat([vae.decode(vae.encode(part).latent_dist.mode()).sample for part in pictures.split(16)])
    return (made.clamp(-1, 1) - pictures).abs().mean().item() / 2.0
