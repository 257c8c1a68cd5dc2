"""The arrays that engines of every family take from the host, and the rows that they keep on their device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class DeviceRow:
    """One row of a graph's outputs, kept on the engine's device; only its engine can read `parts`."""

    parts: tuple[Any, ...]
    nbytes: int
