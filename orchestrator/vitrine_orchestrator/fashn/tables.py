"""What FASHN VTON's jobs have in common: modulations by time and category, first velocities by seed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vitrine_orchestrator.engine.recent_rows import RecentRows
from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.fashn.engine.protocol import Engine

Moment = tuple[float, int]
"""A time in 0…1, and a category; 0: the unconditional branch."""

ROWS = 64  # most modulation rows of one call
MODULATION_BYTES = 256 * 2**20
VELOCITY_BYTES = 64 * 2**20


class Modulations:
    """The modulations of all blocks, which depend on time and category only.

    They are computed once for all jobs and steps, so that the quarter of the weights that computes them need
    not stay in memory.
    """

    def __init__(self, engine: Engine, max_bytes: int = MODULATION_BYTES) -> None:
        self._engine, self._kept = engine, RecentRows[Moment, DeviceRow](max_bytes)
        self.computed = 0

    @property
    def bytes(self) -> int:
        """Bytes that are kept."""
        return self._kept.bytes

    def rows(self, moments: Iterable[Moment]) -> dict[Moment, DeviceRow]:
        """The rows of these moments; those that are not kept are computed."""
        found = {moment: self._kept.get(moment) for moment in moments}
        missing = [moment for moment, row in found.items() if row is None]
        for start in range(0, len(missing), ROWS):
            part = missing[start : start + ROWS]
            times = np.array([time for time, _ in part], np.float32)
            categories = np.array([category for _, category in part], np.int64)
            for moment, row in zip(part, self._engine.modulations(times, categories), strict=True):
                self._kept.put(moment, row)
                found[moment] = row
        self.computed += len(missing)
        return {moment: row for moment, row in found.items() if row is not None}


class FirstVelocities(RecentRows[int, np.ndarray]):
    """The unconditional velocity of the first step, (3, H, W) by seed.

    At time 0 and without pictures it depends on the seed alone.
    """

    def __init__(self, max_bytes: int = VELOCITY_BYTES) -> None:
        super().__init__(max_bytes)
