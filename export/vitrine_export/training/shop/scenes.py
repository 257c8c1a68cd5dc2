"""The advertisements that the generator learns from: drawn once, encoded once, kept in files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm
from vitrine_world import shop

from vitrine_export.training.loop import device
from vitrine_export.training.shop.pictures import drawn_once, signed
from vitrine_export.training.shop.recipe import ADVERTISEMENTS, COVERED, LAYOUT, SEED

BATCH = 32
"""Pictures of one call of the VAE."""


@dataclass(frozen=True, eq=False)
class Scenes:
    """Encoded advertisements, and what their prompts say.

    `latents` (N, 16, h, w) are scaled and shifted; `product` (N, 1, h, w) in 0 to 1 is the product's alpha.
    """

    latents: Tensor
    product: Tensor
    facts: Sequence[shop.Facts]


def covered_samples(seed: int) -> Iterator[shop.Sample]:
    """Yield the samples of a seed that show only what the generator learns, in the order of their indices."""
    every = (shop.sample(seed, index) for index in itertools.count())
    return (made for made in every if covered(made.facts))


def covered(facts: shop.Facts) -> bool:
    """Return whether the generator learns all that a prompt says."""
    return all(getattr(facts, name) in names for name, names in COVERED.items())


def advertisements(count: int = ADVERTISEMENTS) -> list[shop.Sample]:
    """Return the samples of the training, all in its layout."""
    return [replace(made, layout=LAYOUT) for made in itertools.islice(covered_samples(SEED + 1), count)]


def encoded(vae: AutoencoderKL, folder: Path, count: int = ADVERTISEMENTS, style: str = "plain") -> Scenes:
    """Return the set in a style; what is in `folder` is read, the rest is drawn and encoded."""
    samples, of_style = advertisements(count), "" if style == "plain" else f"_{style}"

    def row(index: int) -> np.ndarray:
        drawn = shop.draw(samples[index], style=style)
        return np.dstack([drawn.picture, drawn.alpha])

    path = folder / f"shop_latents{of_style}_{count:05d}.safetensors"
    if not path.exists():
        drawn = drawn_once(folder, f"shop_advertisements{of_style}", row, count)
        draft = path.with_suffix(".tmp")
        save_file(_encode(vae, drawn), draft)
        draft.replace(path)
    held = load_file(path)
    return Scenes(held["latents"].float(), held["product"].float(), [made.facts for made in samples])


@torch.no_grad()
def _encode(vae: AutoencoderKL, drawn: np.ndarray) -> dict[str, Tensor]:
    """Encode pictures with alphas (N, S, S, 4) uint8."""
    latents, product = [], []
    shift, factor = vae.config.shift_factor, vae.config.scaling_factor
    for start in tqdm(range(0, len(drawn), BATCH), "shop latents", mininterval=2):
        rows = drawn[start : start + BATCH]
        pixels = signed(rows[..., :3]).to(device(), memory_format=torch.channels_last)
        latents.append(((vae.encode(pixels).latent_dist.mode() - shift) * factor).half().cpu())
        alphas = torch.from_numpy(np.ascontiguousarray(rows[..., 3]))[:, None] / 255.0
        product.append(F.adaptive_avg_pool2d(alphas, latents[-1].shape[-2:]).half())
    return {"latents": torch.cat(latents).contiguous(), "product": torch.cat(product).contiguous()}
