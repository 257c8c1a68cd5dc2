"""Pictures of a checkpoint of the shop, drawn in torch with the server's noise and schedule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from vitrine_export.checkpoint.ads import open_ads
from vitrine_export.exporting.ad_graphs import LatentDecoder
from vitrine_export.nets.flow_sigmas import flow, read_flow_config
from vitrine_export.nets.z_image import rows_of, velocities
from vitrine_export.parity.ads.text import captions, tokenizer
from vitrine_orchestrator.sampling.noise import initial_noise

BATCH = 16
"""Pictures of one call of the networks."""
PROMPT_TOKENS = 512


@torch.no_grad()
def drawn(checkpoint: Path, prompts: Sequence[str]) -> Iterator[torch.Tensor]:
    """Yield pictures (R, 3, H, W) in [-1, 1] of the prompts in order; picture k has the noise of seed k.

    Size, steps and schedule are the checkpoint's defaults, without guidance. Raises BadCheckpoint.
    """
    read = open_ads(checkpoint)
    encoder, net = read.load("text_encoder").eval(), read.load("transformer").eval()
    decoder, words = LatentDecoder(read.load("vae").eval()), tokenizer(checkpoint / "tokenizer")
    sides = read.settings.height // 8, read.settings.width // 8
    sigmas = flow(read_flow_config(read.scheduler), read.settings.default_steps).sigmas.tolist()
    for start in range(0, len(prompts), BATCH):
        texts = list(prompts[start : start + BATCH])
        features = captions(words, encoder, texts, PROMPT_TOKENS)
        seeds = range(start, start + len(texts))
        latents = [torch.from_numpy(initial_noise(seed, (16, *sides))) for seed in seeds]
        for now, onward in pairwise(sigmas):
            rows = rows_of(latents, features)
            moves = velocities(net(*rows.tensors, torch.full((len(texts),), 1.0 - now)), latents)
            latents = [x + (onward - now) * v for x, v in zip(latents, moves, strict=True)]
        yield decoder(torch.stack(latents)).clamp(-1.0, 1.0)
