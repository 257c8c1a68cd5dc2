"""Garment keys and values by garment, timestep and size: an LRU cache within a limit of bytes."""

from __future__ import annotations

from typing import NamedTuple

from vitrine_orchestrator.engine.recent_rows import RecentRows
from vitrine_orchestrator.engine.rows import DeviceRow


class GarmentKey(NamedTuple):
    """Everything that a garment row depends on."""

    garment: str  # the name of the garment and its prompt
    timestep: float
    size: tuple[int, int]


class GarmentCache(RecentRows[GarmentKey, DeviceRow]):
    """Rows on the engine's device. One thread uses it; any thread may read `bytes` and the counts."""

    def forget(self, garment: str) -> None:
        """Drop every row of a garment."""
        for key in [key for key in self._rows if key.garment == garment]:
            self.drop(key)
