"""Headers of the requests that are made in the present context, such as a traceparent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

from vitrine.errors import BadRequest

_NAME = re.compile(r"[a-z0-9_.-]+")  # what gRPC sends; HTTP allows more
_VALUE = re.compile(r"[ -~]*")
_OURS = ("content-length", "transfer-encoding", "host", "te", "connection")  # the transports set them
_PRESENT: ContextVar[Mapping[str, str]] = ContextVar("_PRESENT", default=MappingProxyType({}))


@contextmanager
def call_headers(headers: Mapping[str, str]) -> Iterator[None]:
    """Send these headers with every request of the block, after those of the client.

    The block's task, tasks that it starts, and the threads of its `try_on_many` are meant; other tasks and
    threads are not. Raises BadRequest for a header that cannot be sent.
    """
    token = _PRESENT.set({**_PRESENT.get(), **read_headers(headers)})
    try:
        yield
    finally:
        _PRESENT.reset(token)


def present_headers() -> Mapping[str, str]:
    """Return the headers of the present context."""
    return _PRESENT.get()


def read_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers, names in lower case; BadRequest, without its value, for one that cannot be sent."""
    read = {}
    for given, value in headers.items():
        name = given.lower() if isinstance(given, str) else ""
        if not _NAME.fullmatch(name) or name in _OURS or name.startswith("grpc-") or name.endswith("-bin"):
            rule = "letters, digits, '-', '_' and '.', and none that the connection itself uses"
            raise BadRequest(f"a header's name must be {rule}, got {given!r}")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            kind = "other characters" if isinstance(value, str) else type(value).__name__
            raise BadRequest(f"the header {name} must be printable ASCII text of one line, got {kind}")
        read[name] = value.strip()
    return read
