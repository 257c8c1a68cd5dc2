"""How a connection to a server is opened: message sizes, and when a proxy is used.

gRPC takes a proxy from the environment by itself. A server on this machine is always called directly.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

MAX_MESSAGE_BYTES = 256 * 2**20  # a raw picture of 40 megapixels is 120 MB; gRPC's own limit is 4 MB

_HERE = ("localhost", "127.0.0.1", "::1")
# The variables that gRPC reads, first one wins; it reads no capital letters.
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCEPTIONS = ("no_grpc_proxy", "no_proxy")


def channel_options(address: str) -> list[tuple[str, int]]:
    """The options of a gRPC channel to "host:port": large messages, and no proxy to this machine."""
    sizes = [
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ]
    return [*sizes, ("grpc.enable_http_proxy", 0)] if is_here(address) else sizes


def is_here(address: str) -> bool:
    """Whether "host:port" is an address of this machine that never leaves it."""
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
    """Which proxy gRPC uses to reach "host:port", as a phrase without its password; None for none."""
    if is_here(address):
        return None
    name = next((name for name in _PROXIES if environment.get(name)), None)
    if name is None or _is_exception(_host(address), environment):
        return None
    return f"the proxy {_without_password(environment[name])} that {name} names"


def directly_here(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a program that speaks to this machine: no proxy is used for that."""
    made = dict(environment)
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        before = [environment[name]] if environment.get(name) else []
        if name == "no_grpc_proxy" and not before:
            continue  # without it gRPC reads no_proxy
        made[name] = ",".join([*before, *_HERE])
    return made


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]").lower()


def _is_exception(host: str, environment: Mapping[str, str]) -> bool:
    """Whether gRPC calls the host directly: an entry is the end of its name, or a network of its address."""
    listed = next((environment[name] for name in _EXCEPTIONS if environment.get(name)), "")
    return any(_covers(entry.strip().lower(), host) for entry in listed.split(",") if entry.strip())


def _covers(entry: str, host: str) -> bool:
    if host.endswith(entry):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return url.replace(f"{parts.netloc.rpartition('@')[0]}@", "") if "@" in parts.netloc else url
