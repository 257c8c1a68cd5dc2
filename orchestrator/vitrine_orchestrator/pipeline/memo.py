"""The interface of the cache in which the prepare pipelines keep their results."""

from __future__ import annotations

from typing import Protocol

from vitrine_orchestrator.cache.key import Key
from vitrine_orchestrator.cache.tiered_memo import Compute, Source
from vitrine_orchestrator.wire.arrays import Arrays


class Memo(Protocol):
    """Keeps arrays by key, and computes them once for all concurrent calls with the same key."""

    async def get_or_compute(self, key: Key, compute: Compute, able: bool = True) -> tuple[Arrays, Source]:
        """The arrays, which are read-only, and where they came from; errors of `compute` pass through.

        able: False for a request with only an id, whose `compute` can raise NotFound. Such calls are kept
            separate, so their error is never shared with a caller that sent the picture.
        """
        ...

    async def peek(self, key: Key) -> Arrays | None:
        """The arrays that are kept now, which are read-only; None when there are none."""
        ...

    async def note(self, key: Key, arrays: Arrays) -> Arrays:
        """The arrays that are kept now, which are read-only; where there are none, `arrays` are kept."""
        ...

    async def forget(self, owner: str) -> None:
        """Forget the arrays of `owner` (see cache.key.owner); no later call returns them."""
        ...


class NoMemo:
    """Keeps nothing: every call computes again."""

    async def get_or_compute(self, key: Key, compute: Compute, able: bool = True) -> tuple[Arrays, Source]:
        """The arrays of `compute`."""
        return await compute(), "fresh"

    async def peek(self, key: Key) -> Arrays | None:
        """None."""
        return None

    async def note(self, key: Key, arrays: Arrays) -> Arrays:
        """The arrays given."""
        return arrays

    async def forget(self, owner: str) -> None:
        """Do nothing."""
