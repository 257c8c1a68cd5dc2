"""The rows that engines of every family keep on their device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DeviceRow:
    """One row of a graph's outputs, kept on the engine's device; only its engine can read `parts`."""

    parts: tuple[Any, ...]
    nbytes: int
