"""The address of a server: its URL, protocol, TLS and headers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vitrine.errors import BadRequest
from vitrine.headers import read_headers

DEFAULT_URL = "localhost:8001"
PROTOCOLS = ("grpc", "http")
LAST_PORT = 65_535
_PORT = re.compile(r"[0-9]{1,5}")
_LABEL = re.compile(r"[\w-]{1,63}")  # between the dots of a name


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
    if not isinstance(url, str):
        raise BadRequest(f"url must be host:port, such as {DEFAULT_URL}, got {url!r}")
    scheme, found, address = url.partition("://")
    scheme = scheme.lower() if found else scheme
    if not found:
        scheme, address = protocol or "grpc", url
    address = address.rstrip("/")
    plain = scheme.removesuffix("s")
    if plain not in PROTOCOLS:
        raise BadRequest(f"the protocol must be grpc or http, got {scheme!r}")
    if protocol not in (None, plain):
        raise BadRequest(f"{url} and protocol={protocol!r} contradict each other")
    if "@" in address:  # its message must not tell a password
        raise BadRequest("url must be host:port without user and password; send those as headers")
    host, _, port = address.rpartition(":")
    if not _is_host(host) or not _PORT.fullmatch(port) or not 1 <= int(port) <= LAST_PORT:
        raise BadRequest(
            f"url must be host:port, such as {DEFAULT_URL}, with a port of 1 to {LAST_PORT}, got {url!r}"
        )
    return Endpoint(address, plain, tls=scheme in ("grpcs", "https"), headers=read_headers(headers or {}))


def _is_host(host: str) -> bool:
    """Whether this is a name, an IPv4 address, or an IPv6 address in brackets."""
    if not (host.startswith("[") and host.endswith("]")):
        return all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))
    try:
        return ipaddress.ip_address(host[1:-1]).version == 6
    except ValueError:
        return False
