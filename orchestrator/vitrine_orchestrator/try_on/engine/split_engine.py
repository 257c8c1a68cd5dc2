"""The engine on several cores: each computes rows of its own (see lanes)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from vitrine_orchestrator.cores.row_split import Lanes
from vitrine_orchestrator.cores.turn_lock import NoTurns, Turns
from vitrine_orchestrator.engine.rows import Arrays, DeviceRow
from vitrine_orchestrator.try_on.engine.protocol import Engine

Result = TypeVar("Result")


@dataclass(frozen=True)
class SplitBatch:
    """The fixed inputs of the rows, part by part; the parts lie in the rows' order."""

    engine: Engine
    parts: tuple[tuple[slice, Any], ...]


class SplitEngine:
    """Gives each of `lanes` threads its share of a call's rows.

    With fewer rows than lanes, `whole` computes them together, on all cores.
    """

    def __init__(self, whole: Engine, single: Engine, lanes: int, turns: Turns | NoTurns) -> None:
        """`single` takes calls from several threads at once; both take each other's rows.

        turns: of the networks that share the cores; each step takes one.
        """
        self._whole, self._single, self._lanes, self._turns = whole, single, Lanes(lanes), turns

    @property
    def lanes(self) -> int:
        """See Engine."""
        return self._lanes.count

    @property
    def latent_size(self) -> tuple[int, int] | None:
        """See Engine."""
        return self._whole.latent_size

    def conditioning(self, inputs: Arrays) -> list[DeviceRow]:
        """See Engine."""

        def share(engine: Engine, rows: slice) -> list[DeviceRow]:
            return engine.conditioning({name: array[rows] for name, array in inputs.items()})

        return [row for part in self._shared(len(next(iter(inputs.values()))), share) for row in part]

    def garment(self, latents: np.ndarray, timesteps: np.ndarray, prompts: np.ndarray) -> list[DeviceRow]:
        """See Engine."""

        def share(engine: Engine, rows: slice) -> list[DeviceRow]:
            return engine.garment(latents[rows], timesteps[rows], prompts[rows])

        return [row for part in self._shared(len(latents), share) for row in part]

    def batch(self, conditioning: Sequence[DeviceRow], guidance: np.ndarray) -> SplitBatch:
        """See Engine."""
        engine, shares = self._shares(len(conditioning))
        return SplitBatch(
            engine, tuple((rows, engine.batch(conditioning[rows], guidance[rows])) for rows in shares)
        )

    def predict(
        self, batch: SplitBatch, latents: np.ndarray, timesteps: np.ndarray, garments: Sequence[DeviceRow]
    ) -> np.ndarray:
        """See Engine."""

        def share(part: tuple[slice, Any]) -> np.ndarray:
            rows, fixed = part
            return batch.engine.predict(fixed, latents[rows], timesteps[rows], garments[rows])

        with self._turns.taken():
            return np.concatenate(self._lanes.at_once(share, batch.parts))

    def _shared(self, rows: int, share: Callable[[Engine, slice], Result]) -> list[Result]:
        engine, shares = self._shares(rows)
        return self._lanes.at_once(lambda part: share(engine, part), shares)

    def _shares(self, rows: int) -> tuple[Engine, list[slice]]:
        return self._whole if rows < self.lanes else self._single, self._lanes.shares(rows)
