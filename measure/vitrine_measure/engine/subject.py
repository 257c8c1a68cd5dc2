"""The subject of the measurement: a pair of nets on the device, and jobs. Random nets need no host memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from vitrine.errors import BadRequest
from vitrine_export.checkpoint import Checkpoint
from vitrine_export.checkpoint.folder import Settings
from vitrine_export.job_inputs import LATENT_FACTOR, draw_job_inputs
from vitrine_export.nets import GarmentNet, TryonNet, build_garment, build_tryon
from vitrine_export.nets.random_weights import filled
from vitrine_export.nets.released import SCHEDULER
from vitrine_export.nets.widths import widths
from vitrine_orchestrator.sampling.config import UnsupportedScheduler
from vitrine_orchestrator.sampling.noise import initial_noise
from vitrine_orchestrator.sampling.schedule import Schedule
from vitrine_orchestrator.sampling.schedules import Schedules

from vitrine_measure.flops import RELEASED, Configs

GUIDANCE = 2.0  # the released demo's guidance scale
GARMENT_SEED = 10**6  # differs from the seed of every job


@dataclass(frozen=True)
class Pair:
    """Both nets on one device, in one dtype."""

    tryon: TryonNet
    garment: GarmentNet
    dtype: torch.dtype
    device: torch.device


@dataclass(frozen=True)
class Source:
    """The source of the nets: a checkpoint, or random weights at the released size."""

    checkpoint: Checkpoint | None = None

    @property
    def configs(self) -> Configs:
        """The nets' config.json files."""
        if self.checkpoint is None:
            return RELEASED
        return self.checkpoint.config("unet"), self.checkpoint.config("unet_encoder")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the pictures that the nets are for."""
        settings = Settings() if self.checkpoint is None else self.checkpoint.settings
        return settings.width, settings.height

    def pair(self, dtype: torch.dtype, device: torch.device) -> Pair:
        """Return the nets on `device`, ready to run."""
        if self.checkpoint is not None:
            tryon, garment = (
                self.checkpoint.tryon(dtype).to(device),
                self.checkpoint.garment(dtype).to(device),
            )
            return Pair(tryon, garment, dtype, device)
        with torch.device("meta"):
            empty = build_tryon(self.configs[0]).to(dtype), build_garment(self.configs[1]).to(dtype)
        return Pair(filled(empty[0], 0, device), filled(empty[1], 1, device), dtype, device)

    def schedule(self, steps: int) -> Schedule:
        """Return an Euler schedule; the first step of the released DDPM would divide differences by 0.02.

        Raises BadRequest for more steps than there are timesteps.
        """
        config: Mapping[str, Any] = SCHEDULER if self.checkpoint is None else self.checkpoint.scheduler
        try:
            return Schedules(config).get("euler", steps)
        except UnsupportedScheduler as error:
            raise BadRequest(str(error)) from error


@dataclass(frozen=True)
class Jobs:
    """Host arrays in float32 of R jobs: different persons in the same garment."""

    conditioning: Mapping[str, np.ndarray]  # by input name, R rows
    noise: np.ndarray  # (R, 4, h, w)
    garment_latents: np.ndarray  # (R, 4, h, w), equal rows
    garment_prompt: np.ndarray  # (R, 77, C), equal rows

    @property
    def rows(self) -> int:
        """How many jobs there are."""
        return len(self.noise)


def jobs(pair: Pair, rows: int, size: tuple[int, int]) -> Jobs:
    """Return jobs 0, 1, …; a job does not depend on `rows`. `size` is the picture's (width, height) in px."""
    sizes, sides = widths(pair.tryon), _latents(size)
    drawn = [draw_job_inputs(1, sides, sizes, seed=row) for row in range(rows)]
    garment = draw_job_inputs(1, sides, sizes, seed=GARMENT_SEED)
    return Jobs(
        conditioning={
            name: np.concatenate([job.conditioning[name] for job in drawn]) for name in garment.conditioning
        },
        noise=np.concatenate([initial_noise(row, (1, sizes.latents, *sides)) for row in range(rows)]),
        garment_latents=garment.garment_latents.repeat(rows, 0),
        garment_prompt=garment.garment_prompt.repeat(rows, 0),
    )


def _latents(size: tuple[int, int]) -> tuple[int, int]:
    width, height = size
    return height // LATENT_FACTOR, width // LATENT_FACTOR
