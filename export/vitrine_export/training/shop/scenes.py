"""The advertisements that the generator learns from: drawn once, encoded once, kept in files."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

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
from vitrine_export.training.shop.recipe import LAYOUT, SEED, Part

BATCH = 32
"""Pictures of one call of the VAE."""


@dataclass(frozen=True, eq=False)
class Scenes:
    """Encoded advertisements, and what their prompts say.

    `latents` (N, 16, h, w) are scaled and shifted; `product` (N, 1, h, w) in 0 to 1 is the product's alpha.
    The last `empty` rows show their scene without a product.
    """

    latents: Tensor
    product: Tensor
    facts: Sequence[shop.Facts]
    empty: int = 0

    def prompts(self, language: str, style: str = "plain") -> list[str]:
        """Return the prompts of the rows."""
        shown = len(self.facts) - self.empty
        return [shop.prompt(row, language, style, number < shown) for number, row in enumerate(self.facts)]

    def and_empty(self, other: Scenes) -> Scenes:
        """Return the rows of both; those of `other` show no product."""
        latents, product = (
            torch.cat(parts) for parts in ((self.latents, other.latents), (self.product, other.product))
        )
        return Scenes(latents, product, [*self.facts, *other.facts], len(other.facts))


def advertisements(count: int, covered: Mapping[str, Sequence[str]]) -> list[shop.Sample]:
    """Return samples of the training, all in its layout; `covered` says which values they have, by fact."""
    every = (shop.sample(SEED + 1, index) for index in itertools.count())
    shown = (made for made in every if all(getattr(made.facts, name) in covered[name] for name in covered))
    return [replace(made, layout=LAYOUT) for made in itertools.islice(shown, count)]


def set_of(part: Part, vae: AutoencoderKL, folder: Path) -> Scenes:
    """Return what a part of the training shows; what is in `folder` is read, the rest is made."""
    name = "_first" if part.covered else ""
    shown = encoded(vae, folder, part.advertisements, part.covered, name)
    return (
        shown.and_empty(encoded(vae, folder, part.empty, suffix="_empty", product=False))
        if part.empty
        else shown
    )


def encoded(
    vae: AutoencoderKL,
    folder: Path,
    count: int,
    covered: Mapping[str, Sequence[str]] = MappingProxyType({}),
    suffix: str = "",
    style: str = "plain",
    product: bool = True,
) -> Scenes:
    """Return a set in a style; what is in `folder` (in files with `suffix`) is read, the rest is made.

    Without `product` its rows show the scenes alone.
    """
    samples = advertisements(count, covered)

    def row(index: int) -> np.ndarray:
        drawn = shop.draw(samples[index], style=style)
        return np.dstack([drawn.picture, drawn.alpha] if product else [drawn.scene, 0 * drawn.alpha])

    path = folder / f"shop_latents{suffix}_{count:05d}.safetensors"
    if not path.exists():
        drawn = drawn_once(folder, f"shop_advertisements{suffix}", row, count)
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
