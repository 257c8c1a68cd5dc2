"""Addresses in settings: what they must look like, and how they are written in links and in the log."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

_REDIS = "must be redis://host:port, rediss://host:port or unix:///path; a password's odd characters are %XX"
_PUBLIC = "must be http://host or https://host, where wanted with a port and a path"
_HTTP = "must be http://… or https://…"
_TRITON = "must be host:port or grpc://host:port: progress is streamed over gRPC alone (Triton's port 8001)"
_PROXIES = "must be addresses or networks, 10.0.0.5,10.1.0.0/16, or * for all"


def _split(text: str, otherwise: str) -> SplitResult:
    """Return the parts of a URL; ValueError, which quotes nothing of it, for a port that is none."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError(otherwise) from None
    return parts


def _redis(text: str) -> str:
    """Check the URL of a Redis; "" is none."""
    parts = _split(text, _REDIS)
    if parts.scheme == "unix":
        good = bool(parts.path)
    else:
        numbered = re.fullmatch(r"(/\d*)?", parts.path)  # of a database
        good = parts.scheme in ("redis", "rediss") and bool(parts.hostname and numbered)
    if text and (not good or parts.fragment):
        raise ValueError(_REDIS)
    return text


def _public(text: str) -> str:
    """Check the address of the gateway as its callers see it; "" is none."""
    parts = _split(text, _PUBLIC)
    good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    if text and (not good or parts.query or parts.fragment or not text.isprintable() or " " in text):
        raise ValueError(_PUBLIC)
    return text.rstrip("/")


def _http(text: str) -> str:
    """Check an address that the gateway calls; "" is none."""
    parts = _split(text, _HTTP)
    if text and not (parts.scheme in ("http", "https") and parts.hostname):
        raise ValueError(_HTTP)
    return text


def _triton(text: str) -> str:
    """Refuse Triton's HTTP address; the client checks the rest."""
    if text.lower().startswith(("http:", "https:")):
        raise ValueError(_TRITON)
    return text


def _proxies(text: str) -> str:
    """Check a list of addresses and networks; "" is none, "*" is all."""
    each = [part.strip() for part in text.split(",") if part.strip()]
    if each != ["*"]:
        try:
            for one in each:
                ip_network(one)
        except ValueError:
            raise ValueError(_PROXIES) from None
    return ",".join(each)


RedisUrl = Annotated[str, AfterValidator(_redis)]
HttpUrl = Annotated[str, AfterValidator(_http)]
TritonUrl = Annotated[str, AfterValidator(_triton)]
PublicUrl = Annotated[str, AfterValidator(_public)]
"""Without a slash at its end."""
Proxies = Annotated[str, AfterValidator(_proxies)]


def in_url(host: str) -> str:
    """Return a host as a URL has it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def is_wildcard(host: str) -> bool:
    """Whether a server that listens on this host listens on every address of the machine."""
    try:
        return not host or ip_address(host).is_unspecified
    except ValueError:  # a name
        return False


def without_password(url: str) -> str:
    """Return a URL without what may be a name or a password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
