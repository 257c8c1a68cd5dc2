"""The protocol of the engines that FASHN VTON's program calls.

A row is one branch of one job: its conditional or its unconditional one. An engine runs three graphs (R rows;
H x W the canvas; N tokens of a picture; d the width; M modulation numbers):
    fixed_tokens  person (R, 3, H, W), person_pose (R, 1, H, W), garment (R, 3, H, W), garment_pose
                  (R, 1, H, W), in -1…1 → image_fixed (R, N, d), garment_tokens (R, N, d)
    modulations   times (R,) in 0…1, category (R,) int64, 0: unconditional → mods (R, M)
    step          state (R, 3, H, W), image_fixed, garment_tokens, mods → velocity (R, 3, H, W)
Host arrays are float32 but for the categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.wire.arrays import Arrays

PICTURES = ("person", "person_pose", "garment", "garment_pose")


class Engine(Protocol):
    """Computes rows. One thread at a time uses it; any error that it raises fails the jobs of that call."""

    def fixed_tokens(self, pictures: Arrays) -> list[DeviceRow]:
        """The tokens of R rows' pictures, computed once a job: `PICTURES` with R rows → R rows."""

    def modulations(self, times: np.ndarray, categories: np.ndarray) -> list[DeviceRow]:
        """The modulations of R pairs of a time and a category; not for every step: it reads the weights."""

    def batch(self, tokens: Sequence[DeviceRow]) -> Any:
        """The inputs of `step` that stay equal from step to step, of R rows."""

    def step(self, batch: Any, states: np.ndarray, modulations: Sequence[DeviceRow]) -> np.ndarray:
        """The velocities of one step: states (R, 3, H, W) → (R, 3, H, W) float32."""
