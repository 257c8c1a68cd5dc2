"""Guards webhooks against calls into the private network (SSRF).

A name is resolved once; every address of it must be global; the call then goes to the address that was
checked. Redirects are not followed.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from vitrine.errors import BadRequest, Unavailable

PORTS = (443, 8443)
MAX_URL = 2000
UNICAST = ipaddress.IPv6Network("2000::/3")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
TUNNELS = [ipaddress.IPv6Network(one) for one in ("2001::/23", "2002::/16", "3fff::/20")]
"""Teredo and other protocols of their own, 6to4, and addresses for documents (RFC 9637)."""
RELAYS = ipaddress.IPv4Network("192.88.99.0/24")  # of 6to4
_TIMEOUT_S = 15.0  # for the connection, and for each read


@dataclass(frozen=True)
class Target:
    """A checked address of a webhook."""

    host: str
    port: int
    address: str  # the IP address to connect to
    path: str
    tls: bool


def check_url(url: str, private: Collection[str] = ()) -> Target:
    """Return where a webhook goes. Raises BadRequest for an address that is not allowed.

    `private` names hosts that may be plain http, on any port, and in the private network.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadRequest(f"webhook must be an https address, got {url[:200]!r}: {error}") from error
    ours = host in private
    schemes = ("https", "http") if ours else ("https",)
    if (
        parts.scheme not in schemes
        or not host
        or len(url) > MAX_URL
        or not (url.isascii() and url.isprintable())
        or " " in url
    ):
        raise BadRequest(
            f"webhook must be an https address of at most {MAX_URL} ASCII characters, got {url[:200]!r}"
        )
    if parts.username is not None or parts.password is not None:
        raise BadRequest("webhook must not hold a user or a password")
    port = port or (443 if parts.scheme == "https" else 80)
    if not ours and port not in PORTS:
        raise BadRequest(f"webhook must use port {' or '.join(map(str, PORTS))}, got {port}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port, _address(host, port, ours), path, parts.scheme == "https")


def _address(host: str, port: int, ours: bool) -> str:
    """Return the first address of a host; BadRequest unless all of them are global."""
    try:
        found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise BadRequest(f"webhook: the host {host!r} has no address") from error
    if not found:
        raise BadRequest(f"webhook: the host {host!r} has no address")
    if not ours and (bad := [one for one in found if not is_global(one)]):
        raise BadRequest(f"webhook: the host {host!r} is in a network that is not public: {bad[0]}")
    return found[0]


def is_global(address: str) -> bool:
    """Whether an IP address is a public one, also when it carries an IPv4 address inside.

    Of IPv6 only global unicast counts, and the prefix by which NAT64 reaches IPv4 (RFC 6052).
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.is_global and not ip.is_multicast and ip not in RELAYS
    if ip in NAT64:
        return is_global(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    if ip not in UNICAST or not ip.is_global or any(ip in network for network in TUNNELS):
        return False
    in_isatap = int(ip) >> 32 & 0xFFFFFFFF in (0x00005EFE, 0x02005EFE)
    return not in_isatap or is_global(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))


def post(target: Target, body: bytes, headers: dict[str, str]) -> int:
    """Send the body to the checked address and return the status. Raises Unavailable."""
    connection = _Pinned(target)
    try:
        connection.request("POST", target.path, body, {**headers, "Host": _host_header(target)})
        answer = connection.getresponse()
        answer.read(65_536)  # what comes after that is not read
        return answer.status
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(f"{target.host}: {type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _host_header(target: Target) -> str:
    usual = 443 if target.tls else 80
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == usual else f"{host}:{target.port}"


class _Pinned(http.client.HTTPConnection):
    """A connection to the checked address; the certificate must be that of the host's name."""

    def __init__(self, target: Target) -> None:
        super().__init__(target.host, target.port, timeout=_TIMEOUT_S)
        self._target = target

    def connect(self) -> None:
        """Connect to the address, not to whatever the name means by now."""
        self.sock = socket.create_connection((self._target.address, self._target.port), self.timeout)
        if self._target.tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._target.host)
