"""Options of the connection to a server: message sizes, and when a proxy is used.

gRPC reads a proxy from the environment. A server on this machine is always called without one.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

MAX_MESSAGE_BYTES = 256 * 2**20
"""Larger messages are refused. A raw picture of 40 megapixels has 120 MB; the default is 4 MB."""

_HERE = ("localhost", "127.0.0.1", "::1")
# The variables that gRPC reads; the first one that is set counts. gRPC does not read upper-case names.
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCEPTIONS = ("no_grpc_proxy", "no_proxy")


def channel_options(address: str) -> list[tuple[str, int]]:
    """Return the options of a gRPC channel to "host:port": large messages, and no proxy to this machine."""
    sizes = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ]
    return [*sizes, ("grpc.enable_http_proxy", 0)] if is_here(address) else sizes


def is_here(address: str) -> bool:
    """Return whether "host:port" is a loopback address of this machine."""
    host = _host(address)
    if host in ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"):
        return True
    if host.endswith(".localhost"):
        return True
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return mapped.is_loopback or mapped.is_unspecified


def grpc_proxy(address: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return a phrase, without password, for the proxy that gRPC uses to reach "host:port", or None."""
    if is_here(address):
        return None
    name = next((name for name in _PROXIES if environment.get(name)), None)
    if name is None or _is_exception(_host(address), environment):
        return None
    proxy = _without_password(environment[name])
    return proxy and f"the proxy {proxy} that {name} names"


def directly_here(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a program that calls servers on this machine without a proxy."""
    changed = dict(environment)
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        before = [environment[name]] if environment.get(name) else []
        if name == "no_grpc_proxy" and not before:
            continue  # if it is not set, gRPC reads no_proxy
        changed[name] = ",".join([*before, *_HERE])
    return changed


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]").lower()


def _is_exception(host: str, environment: Mapping[str, str]) -> bool:
    """Whether gRPC uses no proxy for the host. An entry is a suffix of its name or a network."""
    listed = next((environment[name] for name in _EXCEPTIONS if environment.get(name)), "")
    return any(_covers(entry.strip().lower(), host) for entry in listed.split(",") if entry.strip())


def _covers(entry: str, host: str) -> bool:
    if host.endswith(entry):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _without_password(url: str) -> str | None:
    """Return a proxy's address without user and password; None for one that gRPC does not use."""
    try:
        parts = urlsplit(url)
    except ValueError:  # such as "http://[bad"
        return None
    place = parts.netloc.rpartition("@")[2]
    return f"http://{place}" if parts.scheme == "http" and place else None
