"""The try-on training set: drawn samples, encoded once by the trained VAE and kept in files of 256."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from tqdm import tqdm
from vitrine_orchestrator.images.clip import pixel_values
from vitrine_orchestrator.person import prepare as tensors
from vitrine_orchestrator.pipeline.try_on_request import DESCRIPTIONS
from vitrine_world import dolls

from vitrine_export.training.draws import batches, mask_of, pose_picture, signed
from vitrine_export.training.loop import device
from vitrine_export.training.recipe import SEED

SHARD = 256  # samples per file
TRAINING, UNSEEN = range(6144), range(6144, 9216)
"""Indices of the samples for the try-on nets, and of those that only the last phases use."""


@dataclass(frozen=True)
class TryOnSet:
    """Encoded samples: latents (N, 4, h, w) float16, mask (N, 1, h, w) uint8, CLIP pixel values float16.

    `samples` are the indices of the drawn samples.
    """

    tensors: dict[str, torch.Tensor]
    samples: range

    def rows(self, indices: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the rows at `indices` (from 0) on the training device, float16 tensors as float32."""
        found = {name: tensor[indices].to(device()) for name, tensor in self.tensors.items()}
        return {name: t.float() if t.dtype == torch.float16 else t for name, t in found.items()}


def descriptions(index: int) -> tuple[str, str]:
    """Return sample `index`'s description, and the default description of its category."""
    made = dolls.sample(SEED + 100, index)
    return made.garment.description, DESCRIPTIONS[made.category]


def draw_try_on(index: int) -> dict[str, torch.Tensor]:
    """Draw one try-on as tensors: `pictures`, `mask` and CLIP `pixel_values`.

    `pictures` (4, 3, H, W) are masked person, target, body parts and garment.
    """
    made = dolls.sample(SEED + 100, index)
    garment = dolls.draw_garment(made.garment)
    mask = mask_of(made.person, made.category)
    masked = tensors.masked_pixels(dolls.draw_person(made.person), mask)
    drawn = dolls.draw_person(made.target), pose_picture(made.person), garment
    return {
        "pictures": torch.stack([torch.from_numpy(masked), *map(signed, drawn)]),
        "mask": torch.from_numpy(tensors.mask_latent(mask)).to(torch.uint8),
        "pixel_values": torch.from_numpy(pixel_values(garment)).half(),
    }


def prepare(vae: AutoencoderKL, folder: Path, samples: range = TRAINING) -> TryOnSet:
    """Encode `samples`, whole shards, and return them; shards that are already in `folder` are read."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{start:06d}.safetensors" for start in samples[::SHARD]]
    missing = [path for path in paths if not path.exists()]
    for path in tqdm(missing, "try-on set", initial=len(paths) - len(missing), total=len(paths)):
        _write_shard(vae, int(path.stem), path)
    shards = [load_file(path) for path in paths]
    return TryOnSet({name: torch.cat([shard[name] for shard in shards]) for name in shards[0]}, samples)


def _write_shard(vae: AutoencoderKL, start: int, path: Path) -> None:
    kept: list[dict[str, Any]] = []
    for batch in batches(draw_try_on, start // 8, (start + SHARD) // 8, 8):
        latents = encode(vae, batch["pictures"].flatten(0, 1)).unflatten(0, (-1, 4))
        names = ("masked", "target", "pose", "garment")
        row = {name: latents[:, index].half().cpu().contiguous() for index, name in enumerate(names)}
        kept.append({**row, "mask": batch["mask"], "pixel_values": batch["pixel_values"]})
    whole = {name: torch.cat([row[name] for row in kept]) for name in kept[0]}
    draft = path.with_suffix(".tmp")
    save_file(whole, draft)
    draft.replace(path)


@torch.no_grad()
def encode(vae: AutoencoderKL, pixels: torch.Tensor) -> torch.Tensor:
    """Encode pixels (N, 3, H, W) in [-1, 1] to scaled latents (N, 4, H/8, W/8): the posterior's mode."""
    pixels = pixels.to(vae.device, memory_format=torch.channels_last)
    return vae.encode(pixels).latent_dist.mode() * vae.config.scaling_factor
