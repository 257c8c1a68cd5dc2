"""The protocol of the engines that the try-on's program calls.

An engine runs three graphs (R rows, one for each job; C the context width, P the pooled width):
    garment       garment_latents (R, 4, h, w), timestep (R,), garment_prompt_embeds (R, 77, C)
                  → garment_kv_0 … garment_kv_{J-1}, each (R, N_j, S_j): keys and values by attention level
    conditioning  the arrays of `CONDITIONING_INPUTS` → base, added, text_kv, image_kv
    unet          latents (R, 4, h, w), timestep (R,), guidance (R,), the conditioning's outputs, garment_kv_*
                  → prediction (R, 4, h, w) with guidance applied
An axis of size 2 is [unconditional, conditional]. Host arrays are float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.wire.arrays import Arrays

CONDITIONING_INPUTS = (
    "mask_latent",  # (R, 1, h, w), 1 = repaint
    "masked_latents",  # (R, 4, h, w)
    "pose_latents",  # (R, 4, h, w)
    "prompt_embeds",  # (R, 2, 77, C)
    "pooled_prompt_embeds",  # (R, 2, P)
    "image_tokens",  # (R, 2, 16, C)
    "time_ids",  # (R, 6): height, width, 0, 0, height, width of the picture in pixels
)


class Engine(Protocol):
    """Computes rows. One thread at a time uses it; any error that it raises fails the jobs of that call."""

    @property
    def latent_size(self) -> tuple[int, int] | None:
        """The only latent (height, width) that the graphs accept; None when they accept any."""

    @property
    def lanes(self) -> int:
        """Rows that are computed concurrently. Calls of a multiple of it leave no lane idle."""

    def conditioning(self, inputs: Arrays) -> list[DeviceRow]:
        """The conditioning of R jobs, computed once a job: `CONDITIONING_INPUTS` with R rows → R rows."""

    def garment(self, latents: np.ndarray, timesteps: np.ndarray, prompts: np.ndarray) -> list[DeviceRow]:
        """Garment keys and values for (R, 4, h, w), (R,), (R, 77, C) → R rows."""

    def batch(self, conditioning: Sequence[DeviceRow], guidance: np.ndarray) -> Any:
        """The inputs of `predict` that stay equal from step to step. guidance: (R,); at most 1 means none."""

    def predict(
        self, batch: Any, latents: np.ndarray, timesteps: np.ndarray, garments: Sequence[DeviceRow]
    ) -> np.ndarray:
        """The prediction of one step: latents (R, 4, h, w), timesteps (R,) → (R, 4, h, w) float32."""
