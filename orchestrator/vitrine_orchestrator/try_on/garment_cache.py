"""Garment keys and values by garment, timestep and size: an LRU cache within a limit of bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from vitrine_orchestrator.engine.rows import DeviceRow


class GarmentKey(NamedTuple):
    """Everything that a garment row depends on."""

    garment: str  # the name of the garment and its prompt
    timestep: float
    size: tuple[int, int]


class GarmentCache:
    """Rows on the engine's device. One thread uses it; any thread may read `bytes` and the counts."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = self.hits = self.misses = self.evictions = 0
        self._rows: OrderedDict[GarmentKey, DeviceRow] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: GarmentKey) -> bool:
        return key in self._rows

    def get(self, key: GarmentKey) -> DeviceRow | None:
        """The row, now the most recently used; None counts as a miss."""
        row = self._rows.get(key)
        if row is None:
            self.misses += 1
            return None
        self.hits += 1
        self._rows.move_to_end(key)
        return row

    def put(self, key: GarmentKey, row: DeviceRow) -> None:
        """Keep the row and evict the least recently used ones; a row larger than `max_bytes` is not kept."""
        self._drop(key)
        if row.nbytes > self.max_bytes:
            return
        while self.bytes + row.nbytes > self.max_bytes:
            self._drop(next(iter(self._rows)))
            self.evictions += 1
        self._rows[key] = row
        self.bytes += row.nbytes

    def forget(self, garment: str) -> None:
        """Drop every row of a garment."""
        for key in [key for key in self._rows if key.garment == garment]:
            self._drop(key)

    def _drop(self, key: GarmentKey) -> None:
        if (row := self._rows.pop(key, None)) is not None:
            self.bytes -= row.nbytes
