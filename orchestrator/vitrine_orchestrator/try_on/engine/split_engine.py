"""An engine on several cores: each core computes its own rows (see cores/row_split.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from vitrine_orchestrator.cores.row_split import Lanes
from vitrine_orchestrator.cores.turn_lock import NoTurnLock, TurnLock
from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.try_on.engine.protocol import Engine
from vitrine_orchestrator.wire.arrays import Arrays

Result = TypeVar("Result")


@dataclass(frozen=True)
class SplitBatch:
    """The fixed inputs of each share of the rows, in the order of the rows."""

    engine: Engine
    parts: tuple[tuple[slice, Any], ...]


class SplitEngine:
    """An Engine in which each of `lanes` threads computes its share of a call's rows.

    With fewer rows than lanes, `whole` computes all rows in one call on all cores.
    """

    def __init__(self, whole: Engine, single: Engine, lanes: int, turns: TurnLock | NoTurnLock) -> None:
        """`single` accepts concurrent calls; each of both engines accepts the other's rows.

        turns: the lock that each step holds, so that networks on the same cores run one after the other.
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
            return np.concatenate(self._lanes.run_all(share, batch.parts))

    def _shared(self, rows: int, share: Callable[[Engine, slice], Result]) -> list[Result]:
        engine, shares = self._shares(rows)
        return self._lanes.run_all(lambda part: share(engine, part), shares)

    def _shares(self, rows: int) -> tuple[Engine, list[slice]]:
        return self._whole if rows < self.lanes else self._single, self._lanes.shares(rows)
