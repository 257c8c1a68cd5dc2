"""Values by key within a limit of bytes; the least recently used go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """A value that knows its size, such as a DeviceRow or an array."""

    @property
    def nbytes(self) -> int:
        """Bytes that the value takes."""


Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value", bound=Sized)


class RecentRows(Generic[Key, Value]):
    """An LRU cache. One thread uses it; any thread may read `bytes` and the counts."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = self.hits = self.misses = self.evictions = 0
        self._rows: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    def get(self, key: Key) -> Value | None:
        """The value, now the most recently used; None counts as a miss."""
        row = self._rows.get(key)
        if row is None:
            self.misses += 1
            return None
        self.hits += 1
        self._rows.move_to_end(key)
        return row

    def put(self, key: Key, row: Value) -> None:
        """Keep the value and evict the least recently used; one larger than `max_bytes` is not kept."""
        self.drop(key)
        if row.nbytes > self.max_bytes:
            return
        while self.bytes + row.nbytes > self.max_bytes:
            self.drop(next(iter(self._rows)))
            self.evictions += 1
        self._rows[key] = row
        self.bytes += row.nbytes

    def drop(self, key: Key) -> None:
        """Remove the value, if there is one."""
        if (row := self._rows.pop(key, None)) is not None:
            self.bytes -= row.nbytes
