"""The address of a server: its URL, protocol, TLS and headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vitrine.errors import BadRequest
from vitrine.headers import read_headers

DEFAULT_URL = "localhost:8001"
PROTOCOLS = ("grpc", "http")


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
    return Endpoint(address, plain, tls=scheme in ("grpcs", "https"), headers=read_headers(headers or {}))
