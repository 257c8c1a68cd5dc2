"""The advertisements that the generator learns from: drawn once, encoded once, kept in files."""

from __future__ import annotations

from collections.abc import Sequence
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
from vitrine_export.training.shop.recipe import ADVERTISEMENTS, LAYOUT, SEED

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


def advertisement(seed: int, index: int) -> shop.Sample:
    """Return a sample of the world in the layout of the training."""
    return replace(shop.sample(seed, index), layout=LAYOUT)


def encoded(vae: AutoencoderKL, folder: Path, count: int = ADVERTISEMENTS) -> Scenes:
    """Return the set; what is in `folder` is read, the rest is drawn and encoded."""
    facts = [advertisement(SEED + 1, index).facts for index in range(count)]
    path = folder / f"shop_latents_{count:05d}.safetensors"
    if not path.exists():
        drawn = drawn_once(folder, "shop_advertisements", _row, count)
        draft = path.with_suffix(".tmp")
        save_file(_encode(vae, drawn), draft)
        draft.replace(path)
    held = load_file(path)
    return Scenes(held["latents"].float(), held["product"].float(), facts)


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


def _row(index: int) -> np.ndarray:
    drawn = shop.draw(advertisement(SEED + 1, index))
    return np.dstack([drawn.picture, drawn.alpha])
