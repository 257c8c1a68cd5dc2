"""A dictionary that nobody changes: the mappings of results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class FrozenDict(dict[Key, Value]):
    """A dict whose items are fixed; it can be pickled, copied and written as JSON."""

    def _refuse(self, *args: Any, **options: Any) -> NoReturn:
        raise TypeError("a result's mapping cannot be changed; make a dict of it")

    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]
    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Callable[..., FrozenDict[Any, Any]], tuple[dict[Key, Value]]]:
        """Pickle and copy through the constructor, which needs no `__setitem__`."""
        return FrozenDict, (dict(self),)
