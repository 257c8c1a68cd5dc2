"""The interface between the client and the wire: two protocols, and functions that open a transport.

The implementations import `endpoint` and not this module, so no import goes in a circle.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Protocol

import numpy as np

from vitrine.cancellation import Cancellation
from vitrine.endpoint import DEFAULT_URL, PROTOCOLS, Endpoint, read_endpoint
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus

__all__ = [
    "DEFAULT_URL",
    "PROTOCOLS",
    "AsyncTransport",
    "Endpoint",
    "Transport",
    "connect",
    "connect_async",
    "read_endpoint",
]


class Transport(Protocol):
    """Carries tensors to a Triton server and back; raises VitrineErrors only. Thread-safe."""

    def infer(
        self,
        model: str,
        inputs: Tensors,
        *,
        timeout_s: float,
        version: str = "",
        cancellation: Cancellation | None = None,
    ) -> dict[str, np.ndarray]:
        """Send one request and return its one response."""
        ...

    def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """Send one request and yield its responses; closing the iterator cancels it on the server."""
        ...

    def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """Return the status of every model."""
        ...

    def close(self) -> None:
        """Close the connections; no call may follow."""
        ...


class AsyncTransport(Protocol):
    """Transport for one event loop; cancelling the task cancels the request."""

    async def infer(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> dict[str, np.ndarray]:
        """Send one request and return its one response."""
        ...

    def stream(
        self, model: str, inputs: Tensors, *, timeout_s: float, version: str = ""
    ) -> AsyncGenerator[dict[str, np.ndarray], None]:
        """Send one request and yield its responses; closing the iterator cancels it on the server."""
        ...

    async def models(self, *, timeout_s: float) -> tuple[ModelStatus, ...]:
        """Return the status of every model."""
        ...

    async def close(self) -> None:
        """Close the connections; no call may follow."""
        ...


def connect(endpoint: Endpoint) -> Transport:
    """Return a transport to the server; the first call opens the connection."""
    if endpoint.protocol == "grpc":
        from vitrine.grpc_transport import GrpcTransport

        return GrpcTransport(endpoint)
    from vitrine.http_transport import HttpTransport

    return HttpTransport(endpoint)


def connect_async(endpoint: Endpoint) -> AsyncTransport:
    """Return a transport for asyncio; the first call opens the connection."""
    if endpoint.protocol == "grpc":
        from vitrine.async_grpc_transport import AsyncGrpcTransport

        return AsyncGrpcTransport(endpoint)
    from vitrine.async_http_transport import AsyncHttpTransport

    return AsyncHttpTransport(endpoint)
