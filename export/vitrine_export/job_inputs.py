"""Random inputs of try-on denoising jobs, for proofs of exports and for benchmarks. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

PROMPT_TOKENS: Final = 77
HALVES: Final = 2  # [uncond, cond]
LATENT_FACTOR: Final = 8  # picture pixels per latent pixel


@dataclass(frozen=True)
class Widths:
    """The sizes of a job's inputs that no request changes."""

    latents: int  # channels
    context: int  # width of a prompt token and of an image token
    pooled: int
    image_tokens: int


@dataclass(frozen=True)
class JobInputs:
    """Float32 inputs of R jobs; h and w are the sides of the latents."""

    conditioning: dict[str, np.ndarray]  # by name, in the order of the conditioning graph's inputs; R rows
    latents: np.ndarray  # (R, C, h, w)
    garment_latents: np.ndarray  # (R, C, h, w)
    garment_prompt: np.ndarray  # (R, 77, context)


def draw_job_inputs(rows: int, sides: tuple[int, int], widths: Widths, seed: int) -> JobInputs:
    """Draw standard normal inputs of `rows` jobs from `seed`; `sides` is (h, w) of the latents.

    The mask is 0 or 1, and the time ids are those of an uncropped picture of this size.
    """
    generator = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return generator.standard_normal((rows, *shape), np.float32)

    height, width = (LATENT_FACTOR * side for side in sides)
    time_ids = np.array([height, width, 0, 0, height, width], np.float32)
    conditioning = {
        "mask_latent": (draw(1, *sides) > 0).astype(np.float32),
        "masked_latents": draw(widths.latents, *sides),
        "pose_latents": draw(widths.latents, *sides),
        "prompt_embeds": draw(HALVES, PROMPT_TOKENS, widths.context),
        "pooled_prompt_embeds": draw(HALVES, widths.pooled),
        "image_tokens": draw(HALVES, widths.image_tokens, widths.context),
        "time_ids": np.tile(time_ids, (rows, 1)),
    }
    return JobInputs(
        conditioning,
        latents=draw(widths.latents, *sides),
        garment_latents=draw(widths.latents, *sides),
        garment_prompt=draw(PROMPT_TOKENS, widths.context),
    )
