"""Trains the paper-doll VAE: the released architecture (factor 8, 4 channels) at small widths."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from vitrine_world import dolls

from vitrine_export.training import draws
from vitrine_export.training.loop import fit
from vitrine_export.training.recipe import PLANS, VAE
from vitrine_export.training.vae_start import start_as_colour_codec

KL_WEIGHT = 1e-7
LATENT_NOISE = 0.15
"""Largest noise on the latents while the decoder is trained alone, in standard deviations of the latents."""

EDGE_WEIGHT = 0.5
"""Weight of the errors of neighbouring pixels' differences; the pixels' own errors have weight 1."""


def train_vae(folder: Path) -> AutoencoderKL:
    """Train on crops, then on whole pictures (group norms differ there), then the decoder alone.

    The loss is the mean absolute error, the squared error and a small KL term. `scaling_factor` makes the
    latents' standard deviation 1 (Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion
    Models", 2022, appendix G).
    """
    torch.manual_seed(0)
    vae = AutoencoderKL(**VAE).to(memory_format=torch.channels_last)
    start_as_colour_codec(vae)
    for name, draw in (("vae_crops", draws.vae_crops), ("vae", draws.vae_picture)):
        fit(name, vae, partial(_loss, vae), partial(_batches, name, draw), PLANS[name], folder)
    vae.register_to_config(scaling_factor=scaling_factor(vae))
    return train_decoder(vae, folder)


def train_decoder(vae: AutoencoderKL, folder: Path) -> AutoencoderKL:
    """Train the decoder alone, in place; the latents of the encoder do not change.

    The data is dressed people only, because serving decodes nothing else.
    """
    for part in (vae.encoder, vae.quant_conv):
        part.requires_grad_(False)
    pictures = partial(_batches, "vae_decoder", draws.dressed_person)
    fit("vae_decoder", vae, partial(_decoder_loss, vae), pictures, PLANS["vae_decoder"], folder)
    return vae


def _batches(name: str, draw: Callable[[int], Any], first: int) -> Iterator[Any]:
    plan = PLANS[name]
    return draws.batches(draw, first, plan.steps, plan.batch)


def _decoder_loss(vae: AutoencoderKL, batch: tuple[torch.Tensor, torch.Tensor], step: int) -> torch.Tensor:
    """Return the error of pictures decoded from noisy latents, because the denoiser's latents are inexact.

    Each row has another noise level, from 0 to LATENT_NOISE.
    """
    pixels, weight = (part.to(vae.device) for part in batch)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    draw = torch.Generator(device=vae.device).manual_seed(step)
    with torch.no_grad():
        latents = vae.encode(pixels).latent_dist.mode()
        noise = (
            LATENT_NOISE
            * torch.rand((len(latents), 1, 1, 1), generator=draw, device=vae.device)
            * latents.std()
        )
        latents = latents + noise * torch.randn(latents.shape, generator=draw, device=vae.device)
    return picture_error(vae.decode(latents).sample, pixels, weight)


def picture_error(made: torch.Tensor, truth: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the weighted mean absolute error of pixels (N, 3, H, W) and of their differences to neighbours.

    The differences, to the right and below, make the edges as sharp as the truth's. `weight` is (N, 1, H, W).
    """
    error = made - truth
    across, down = error.diff(dim=3).abs(), error.diff(dim=2).abs()
    steepness = (weight[..., 1:] * across).mean() + (weight[..., 1:, :] * down).mean()
    return (weight * error.abs()).mean() + EDGE_WEIGHT * steepness


def _loss(vae: AutoencoderKL, pixels: torch.Tensor, step: int) -> torch.Tensor:
    pixels = pixels.reshape(-1, *pixels.shape[-3:]).to(vae.device, memory_format=torch.channels_last)
    posterior = vae.encode(pixels).latent_dist
    noise = torch.Generator(device=vae.device).manual_seed(step)
    decoded = vae.decode(posterior.sample(noise)).sample
    error = (decoded - pixels).abs().mean() + 2.0 * (decoded - pixels).square().mean()
    return error + KL_WEIGHT * posterior.kl().mean()


@torch.no_grad()
def scaling_factor(vae: AutoencoderKL, count: int = 24) -> float:
    """Return 1 / standard deviation of the posteriors' modes over `count` pictures."""
    pictures = torch.stack([draws.vae_picture(10_000_000 + index) for index in range(count)]).to(vae.device)
    return round(1.0 / vae.encode(pictures).latent_dist.mode().std().item(), 5)


@torch.no_grad()
def mean_error(vae: AutoencoderKL, count: int = 16) -> float:
    """Return the mean absolute error, a share of the range, of `count` unseen pictures after the VAE."""
    people = [dolls.draw_person(dolls.sample(977, index).target) for index in range(count)]
    pixels = torch.stack([draws.signed(picture) for picture in people]).to(vae.device)
    return (vae.decode(vae.encode(pixels).latent_dist.mode()).sample - pixels).abs().mean().item() / 2.0
