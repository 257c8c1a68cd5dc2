"""An engine without a network: every row's prediction is a simple function of the row's inputs.

It serves tests of the batcher and of everything that calls it, in this repository and outside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.wire.arrays import Arrays


def conditioning_mark(inputs: Arrays) -> np.ndarray:
    """(R,): a number that depends on every conditioning input of the row."""
    return sum(
        np.tanh(np.reshape(array, (len(array), -1)).astype(np.float64) @ _weights(array)) / (index + 2)
        for index, (_, array) in enumerate(sorted(inputs.items()))
    )


def garment_mark(latents: np.ndarray, timesteps: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """(R,): a number that depends on the garment, its prompt and the timestep."""
    flat = [np.reshape(array, (len(array), -1)).astype(np.float64) for array in (latents, prompts)]
    return np.tanh(sum(array @ _weights(array) for array in flat)) + np.cos(timesteps)


def prediction(
    latents: np.ndarray,
    timesteps: np.ndarray,
    guidance: np.ndarray,
    conditioning: np.ndarray,
    garment: np.ndarray,
) -> np.ndarray:
    """(R, 4, h, w) in [-1, 1]: the fake network's prediction for each row."""
    mark = (np.sin(timesteps) + conditioning + np.maximum(guidance, 1) * garment)[:, None, None, None]
    return np.tanh(0.5 * latents + mark).astype(np.float32)


def _weights(array: np.ndarray) -> np.ndarray:
    size = array.size // len(array)
    return np.cos(np.arange(1, size + 1)) / size


def _nothing(call: str, rows: int) -> None:
    """Let the call pass."""


@dataclass
class FakeEngine:
    """An Engine of the functions above. `before` is called first in each call and may raise or wait."""

    latent_size: tuple[int, int] | None = None
    lanes: int = 1
    row_bytes: int = 1000  # the `nbytes` of a garment row
    before: Callable[[str, int], None] = _nothing  # "conditioning", "garment", "batch" or "predict"; rows
    after: Callable[[np.ndarray], np.ndarray] = lambda output: output  # may change the prediction
    rows: Counter[str] = field(default_factory=Counter)  # computed, by call
    calls: Counter[str] = field(default_factory=Counter)

    def conditioning(self, inputs: Arrays) -> list[DeviceRow]:
        """One mark a row."""
        marks = conditioning_mark(inputs)
        self._count("conditioning", len(marks))
        return [DeviceRow((mark,), 8) for mark in marks]

    def garment(self, latents: np.ndarray, timesteps: np.ndarray, prompts: np.ndarray) -> list[DeviceRow]:
        """One mark a row."""
        self._count("garment", len(latents))
        return [DeviceRow((mark,), self.row_bytes) for mark in garment_mark(latents, timesteps, prompts)]

    def batch(self, conditioning: Sequence[DeviceRow], guidance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows' marks and guidance."""
        self._count("batch", len(conditioning))
        return np.array([row.parts[0] for row in conditioning]), guidance

    def predict(
        self,
        batch: tuple[np.ndarray, np.ndarray],
        latents: np.ndarray,
        timesteps: np.ndarray,
        garments: Sequence[DeviceRow],
    ) -> np.ndarray:
        """`prediction` of the rows."""
        conditioning, guidance = batch
        assert len({len(latents), len(timesteps), len(garments), len(guidance)}) == 1, "one of each a row"
        self._count("predict", len(latents))
        garment = np.array([row.parts[0] for row in garments])
        return self.after(prediction(latents, timesteps, guidance, conditioning, garment))

    def _count(self, call: str, rows: int) -> None:
        self.before(call, rows)
        self.calls[call] += 1
        self.rows[call] += rows
