"""The interface between the client and the wire: two protocols, and functions that open a transport."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from vitrine.cancellation import Cancellation
from vitrine.errors import BadRequest
from vitrine.inputs import Tensors
from vitrine.statuses import ModelStatus

DEFAULT_URL = "localhost:8001"
PROTOCOLS = ("grpc", "http")


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


@dataclass(frozen=True)
class Endpoint:
    """The address, protocol and headers of a server."""

    address: str  # host:port
    protocol: str  # one of PROTOCOLS
    tls: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)  # sent with every request


def read_endpoint(
    url: str, *, protocol: str | None = None, headers: Mapping[str, str] | None = None
) -> Endpoint:
    """Read "host:port", "grpc://host:port" or "http://host:port" ("grpcs", "https" with TLS).

    Without a scheme, `protocol` decides; without both, gRPC. Raises BadRequest for another form.
    """
    scheme, found, address = url.partition("://")
    if not found:
        scheme, address = protocol or "grpc", url
    address = address.rstrip("/")
    plain = scheme.removesuffix("s")
    if plain not in PROTOCOLS:
        raise BadRequest(f"the protocol must be grpc or http, got {scheme!r}")
    if protocol not in (None, plain):
        raise BadRequest(f"{url} and protocol={protocol!r} contradict each other")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise BadRequest(f"url must be host:port, such as {DEFAULT_URL}, got {url!r}")
    return Endpoint(address, plain, tls=scheme in ("grpcs", "https"), headers=dict(headers or {}))


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
        from vitrine.grpc_transport import AsyncGrpcTransport

        return AsyncGrpcTransport(endpoint)
    from vitrine.async_http_transport import AsyncHttpTransport

    return AsyncHttpTransport(endpoint)
