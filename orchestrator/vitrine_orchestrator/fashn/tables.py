"""What FASHN VTON's jobs have in common: modulations by time and category, first velocities by seed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

import numpy as np

from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.fashn.engine.protocol import Engine

Value = TypeVar("Value")
Moment = tuple[float, int]
"""A time in 0…1, and a category; 0: the unconditional branch."""

ROWS = 64  # most modulation rows of one call
MODULATION_BYTES = 256 * 2**20
VELOCITY_BYTES = 64 * 2**20


class Recent(Generic[Value]):
    """Values by key, up to a number of bytes; then the least recently used go."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes, self._values = max_bytes, OrderedDict[Hashable, tuple[Value, int]]()
        self.bytes = 0

    def get(self, key: Hashable) -> Value | None:
        """The value, which is now the most recently used."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: Hashable, value: Value, nbytes: int) -> None:
        """Keep a value of that many bytes."""
        self.forget(key)
        self._values[key] = value, nbytes
        self.bytes += nbytes
        while self.bytes > self._max_bytes and self._values:
            _, (_, freed) = self._values.popitem(last=False)
            self.bytes -= freed

    def forget(self, key: Hashable) -> None:
        """Remove the value, if there is one."""
        if key in self._values:
            self.bytes -= self._values.pop(key)[1]


class Modulations:
    """The modulations of all blocks, which depend on time and category only.

    They are computed once for all jobs and steps, so that the quarter of the weights that computes them need
    not stay in memory.
    """

    def __init__(self, engine: Engine, max_bytes: int = MODULATION_BYTES) -> None:
        self._engine, self._kept = engine, Recent[DeviceRow](max_bytes)
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
                self._kept.put(moment, row, row.nbytes)
                found[moment] = row
        self.computed += len(missing)
        return {moment: row for moment, row in found.items() if row is not None}


class FirstVelocities:
    """The unconditional velocity of the first step: at time 0 and without pictures it depends on the seed."""

    def __init__(self, max_bytes: int = VELOCITY_BYTES) -> None:
        self._kept = Recent[np.ndarray](max_bytes)
        self.hits = self.misses = 0

    def get(self, seed: int) -> np.ndarray | None:
        """The velocity (3, H, W) of the noise of that seed, where it is kept."""
        found = self._kept.get(seed)
        self.hits, self.misses = self.hits + (found is not None), self.misses + (found is None)
        return found

    def put(self, seed: int, velocity: np.ndarray) -> None:
        """Keep a velocity."""
        self._kept.put(seed, velocity.copy(), velocity.nbytes)

    def forget(self, seed: int) -> None:
        """Remove the velocity of a seed."""
        self._kept.forget(seed)
