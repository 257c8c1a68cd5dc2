"""Pictures of a checkpoint of the shop, drawn in torch with the server's noise and schedule."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from vitrine_export.checkpoint.ads import open_ads
from vitrine_export.exporting.ad_graphs import LatentDecoder
from vitrine_export.nets.dit.lora_rows import RowLora
from vitrine_export.nets.flow_sigmas import flow, read_flow_config
from vitrine_export.nets.z_image import rows_of, velocities
from vitrine_export.parity.ads.text import captions, tokenizer
from vitrine_export.training.shop.save import LORAS_FOLDER
from vitrine_orchestrator.loras.registry import Registry
from vitrine_orchestrator.sampling.noise import initial_noise

BATCH = 16
"""Pictures of one call of the networks."""
PROMPT_TOKENS = 512
LORA_BYTES = 2**26
"""Bytes of adapters that are kept while pictures are drawn."""


@lru_cache(maxsize=1)
@torch.no_grad()
def drawn(checkpoint: Path, prompts: tuple[str, ...], lora: str | None = None) -> torch.Tensor:
    """Return pictures (N, 3, H, W) in [-1, 1] of the prompts in order; picture k has the noise of seed k.

    Size, steps and schedule are the checkpoint's defaults, without guidance. `lora` is an adapter of the
    folder's registry. The last answer is kept: two rows of the score ask for the same. Raises BadCheckpoint,
    and what the registry raises.
    """
    read = open_ads(checkpoint)
    encoder, net = read.load("text_encoder").eval(), read.load("transformer").eval()
    decoder, words = LatentDecoder(read.load("vae").eval()), tokenizer(checkpoint / "tokenizer")
    sides = read.settings.height // 8, read.settings.width // 8
    sigmas = flow(read_flow_config(read.scheduler), read.settings.default_steps).sigmas.tolist()
    registry = Registry(checkpoint / LORAS_FOLDER, read.family, read.digest(), LORA_BYTES)
    adapter = registry.get(lora) if lora else None
    terms = adapter and RowLora(torch.tensor(adapter.down), torch.tensor(adapter.up))
    pictures = []
    for start in range(0, len(prompts), BATCH):
        texts = list(prompts[start : start + BATCH])
        features = captions(words, encoder, texts, PROMPT_TOKENS)
        seeds = range(start, start + len(texts))
        latents = [torch.from_numpy(initial_noise(seed, (16, *sides))) for seed in seeds]
        for now, onward in pairwise(sigmas):
            rows = rows_of(latents, features)
            made = net(*rows.tensors, torch.full((len(texts),), 1.0 - now), lora=terms)
            moves = velocities(made, latents)
            latents = [x + (onward - now) * v for x, v in zip(latents, moves, strict=True)]
        pictures.append(decoder(torch.stack(latents)).clamp(-1.0, 1.0))
    return torch.cat(pictures)


def as_bytes(pictures: torch.Tensor) -> np.ndarray:
    """Return pictures (N, 3, H, W) in [-1, 1] as (N, H, W, 3) uint8 RGB."""
    return ((pictures + 1.0) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
