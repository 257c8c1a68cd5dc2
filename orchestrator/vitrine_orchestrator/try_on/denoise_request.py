"""Reads a denoise request and checks it before the job enters the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from vitrine.errors import BadRequest

from vitrine_orchestrator.sampling.config import UnsupportedScheduler
from vitrine_orchestrator.sampling.schedule import Schedule
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.stages.idm_vton import LATENT_HEIGHT, LATENT_WIDTH
from vitrine_orchestrator.try_on.facts import FAMILY
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.wire.fields import (
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_STEPS,
    identifier,
    required,
    scalar,
    tensor,
)

_PAIRS = {  # an input of the conditioning graph: its [unconditional, conditional] halves
    "prompt_embeds": ("negative_prompt_embeds", "prompt_embeds"),
    "pooled_prompt_embeds": ("negative_pooled_prompt_embeds", "pooled_prompt_embeds"),
    "image_tokens": ("negative_image_tokens", "image_tokens"),
}


@dataclass(frozen=True)
class JobShapes:
    """The sizes that the checkpoint fixes, and the latent size where the exported graphs fix it."""

    context_width: int
    pooled_width: int
    image_tokens: int = 16
    channels: int = 4
    factor: int = 8  # picture pixels of one latent pixel
    latent_size: tuple[int, int] | None = None  # height, width; None: any multiple of LATENT_MULTIPLE

    def of(self, size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
        """The shape of every array of a job whose latents have that height and width."""
        text, pooled = (77, self.context_width), (self.pooled_width,)
        image = (self.image_tokens, self.context_width)
        latents = (self.channels, *size)
        return {
            "mask_latent": (1, *size),
            "masked_latents": latents,
            "pose_latents": latents,
            "garment_latents": latents,
            "image_tokens": image,
            "negative_image_tokens": image,
            "prompt_embeds": text,
            "negative_prompt_embeds": text,
            "pooled_prompt_embeds": pooled,
            "negative_pooled_prompt_embeds": pooled,
            "garment_prompt_embeds": text,
        }


LATENT_MULTIPLE = 4  # other sides are refused: the UNet halves the latents twice
MOST_LATENT = max(LATENT_HEIGHT.most, LATENT_WIDTH.most)


def is_denoised(side: int) -> bool:
    """Whether latents may have a side of that many latent pixels."""
    return 0 < side <= MOST_LATENT and not side % LATENT_MULTIPLE


@dataclass(frozen=True)
class JobRequest:
    """One checked job. Arrays are float32 without a row axis."""

    inputs: Arrays  # one row of the conditioning graph's inputs
    garment_latents: np.ndarray  # (4, h, w)
    garment_prompt: np.ndarray  # (77, C)
    garment_key: str | None  # the caller's key of the garment; equal keys promise equal latents
    seed: int
    guidance: float
    scheduler: str
    schedule: Schedule
    job: str | None = None  # the caller's name of the job, to poll or cancel it
    clean: None = None  # a try-on starts from noise only

    @property
    def family(self) -> str:
        """The name of the IDM-VTON family."""
        return FAMILY

    @property
    def shape(self) -> tuple[int, ...]:
        """The latents' shape, (4, h, w)."""
        return self.garment_latents.shape

    @property
    def size(self) -> tuple[int, int]:
        """Latent height and width."""
        height, width = self.garment_latents.shape[1:]
        return height, width


def read_request(arrays: Arrays, shapes: JobShapes, schedules: Schedules) -> JobRequest:
    """The job that the request's arrays describe; BadRequest names the input, the rule and the value."""
    size = _latent_size(arrays, shapes)
    tensors = {name: tensor(arrays, name, shape) for name, shape in shapes.of(size).items()}
    steps = int(scalar(arrays, "steps", np.int32, 1, MAX_STEPS))
    scheduler = identifier(arrays, "scheduler") or "checkpoint"
    try:
        schedule = schedules.get(scheduler, steps)
    except UnsupportedScheduler as error:
        raise BadRequest(str(error)) from error
    return JobRequest(
        inputs=_conditioning(tensors, size, shapes.factor),
        garment_latents=tensors["garment_latents"],
        garment_prompt=tensors["garment_prompt_embeds"],
        garment_key=identifier(arrays, "garment_key"),
        seed=int(scalar(arrays, "seed", np.uint64, 0, MAX_SEED)),
        guidance=float(scalar(arrays, "guidance", np.float32, 0, MAX_GUIDANCE)),
        scheduler=scheduler,
        schedule=schedule,
        job=identifier(arrays, "job"),
    )


def _conditioning(
    tensors: Mapping[str, np.ndarray], size: tuple[int, int], factor: int
) -> dict[str, np.ndarray]:
    height, width = size[0] * factor, size[1] * factor
    return {
        **{name: tensors[name] for name in ("mask_latent", "masked_latents", "pose_latents")},
        **{name: np.stack([tensors[half] for half in halves]) for name, halves in _PAIRS.items()},
        "time_ids": np.array([height, width, 0, 0, height, width], np.float32),
    }


def _latent_size(arrays: Arrays, shapes: JobShapes) -> tuple[int, int]:
    mask = required(arrays, "mask_latent")
    if mask.ndim != 3 or mask.shape[0] != 1:
        raise BadRequest(f"mask_latent must have shape (1, height, width), got {mask.shape}")
    height, width = mask.shape[1:]
    if shapes.latent_size not in (None, (height, width)):
        raise BadRequest(f"mask_latent must have shape {(1, *shapes.latent_size)}, got {mask.shape}")
    for side in (height, width):
        if not is_denoised(side):
            raise BadRequest(
                f"mask_latent must have sides that are multiples of {LATENT_MULTIPLE} up to {MOST_LATENT}, "
                f"got {mask.shape}"
            )
    return height, width
