"""Rows shared out over the cores: several one-thread calls side by side instead of one call on all cores.

A call on all cores waits for the slowest of its threads after every operator; rows have nothing to wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from threading import Barrier
from typing import Any, TypeVar

import numpy as np

from vitrine_orchestrator.engine.protocol import Arrays, DeviceRow, Engine

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

    def __init__(self, whole: Engine, single: Engine, lanes: int) -> None:
        """`single` takes calls from several threads at once; both take each other's rows."""
        self._whole, self._single, self.lanes = whole, single, lanes
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="engine")
        list(self._pool.map(lambda met: met.wait(), [Barrier(lanes)] * lanes))  # start them all

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

        return np.concatenate(self._at_once(share, batch.parts))

    def _shared(self, rows: int, share: Callable[[Engine, slice], Result]) -> list[Result]:
        engine, shares = self._shares(rows)
        return self._at_once(lambda part: share(engine, part), shares)

    def _at_once(self, work: Callable[[Any], Result], parts: Sequence[Any]) -> list[Result]:
        """The results in order; the first error once all parts have ended, so that nothing runs on."""
        running = [self._pool.submit(work, part) for part in parts[1:]]
        try:
            first = work(parts[0])
        finally:
            errors = [future.exception() for future in running]
        for error in errors:
            if error:
                raise error
        return [first, *(future.result() for future in running)]

    def _shares(self, rows: int) -> tuple[Engine, list[slice]]:
        if rows < self.lanes:
            return self._whole, [slice(0, rows)]
        ends = [rows * part // self.lanes for part in range(self.lanes + 1)]
        return self._single, [slice(a, b) for a, b in pairwise(ends)]
