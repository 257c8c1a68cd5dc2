"""Where the prepare pipelines keep what they made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, Protocol

import numpy as np

from vitrine_orchestrator.cache.key import Key

Arrays = Mapping[str, np.ndarray]
Compute = Callable[[], Awaitable[Arrays]]
Source = Literal["fresh", "memory", "disk", "store"]


class Memo(Protocol):
    """Keeps the arrays of a key, and makes them once for all who ask at the same time."""

    async def get_or_compute(self, key: Key, compute: Compute, able: bool = True) -> tuple[Arrays, Source]:
        """The arrays, not to be written to, and where they came from; errors of `compute` pass through.

        able: whether `compute` can make them; who can never shares the failure of one who cannot.
        """
        ...

    async def peek(self, key: Key) -> Arrays | None:
        """The arrays that are kept now, not to be written to; None where there are none."""
        ...

    async def forget(self, owner: str) -> None:
        """No later call answers what `owner` (see cache.key.owner) had before."""
        ...


class NoMemo:
    """Keeps nothing: everything is made afresh."""

    async def get_or_compute(self, key: Key, compute: Compute, able: bool = True) -> tuple[Arrays, Source]:
        """What `compute` makes."""
        return await compute(), "fresh"

    async def peek(self, key: Key) -> Arrays | None:
        """Nothing is kept."""
        return None

    async def forget(self, owner: str) -> None:
        """There is nothing to forget."""
