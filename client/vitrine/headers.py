"""Headers of the requests that are made in the present context, such as a traceparent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_PRESENT: ContextVar[Mapping[str, str]] = ContextVar("_PRESENT", default=MappingProxyType({}))


@contextmanager
def call_headers(headers: Mapping[str, str]) -> Iterator[None]:
    """Send these headers with every request of the block, after those of the client.

    The block's task, and tasks that it starts, are meant; other tasks and threads are not.
    """
    token = _PRESENT.set({**_PRESENT.get(), **headers})
    try:
        yield
    finally:
        _PRESENT.reset(token)


def present_headers() -> Mapping[str, str]:
    """Return the headers of the present context."""
    return _PRESENT.get()
