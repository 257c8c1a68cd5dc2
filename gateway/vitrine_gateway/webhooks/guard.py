"""Guards webhooks, and pictures that are fetched, against calls into the private network (SSRF).

A name is resolved once; every address of it must be global; the call then goes to the address that was
checked. Redirects are not followed.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
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
POST_WITHIN_S = 30.0  # for a webhook with its answer; less than the sender's lock
_PART = 65_536


@dataclass(frozen=True)
class Target:
    """A checked address of a webhook."""

    host: str
    port: int
    address: str  # the IP address to connect to
    path: str
    tls: bool


def check_url(url: str, private: Collection[str] = (), name: str = "webhook") -> Target:
    """Return where a call goes. Raises BadRequest for an address that is not allowed.

    `private` names hosts that may be plain http, on any port, and in the private network; `name` is the
    field that has the address.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadRequest(f"{name} must be an https address, got {url[:200]!r}: {error}") from error
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
            f"{name} must be an https address of at most {MAX_URL} ASCII characters, got {url[:200]!r}"
        )
    if parts.username is not None or parts.password is not None:
        raise BadRequest(f"{name} must not hold a user or a password")
    port = port or (443 if parts.scheme == "https" else 80)
    if not ours and port not in PORTS:
        raise BadRequest(f"{name} must use port {' or '.join(map(str, PORTS))}, got {port}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(host, port, _address(host, port, ours, name), path, parts.scheme == "https")


def _address(host: str, port: int, ours: bool, name: str) -> str:
    """Return the first address of a host; BadRequest unless all of them are global."""
    try:
        found = [str(row[4][0]) for row in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise BadRequest(f"{name}: the host {host!r} has no address") from error
    if not found:
        raise BadRequest(f"{name}: the host {host!r} has no address")
    if not ours and (bad := [one for one in found if not is_global(one)]):
        raise BadRequest(f"{name}: the host {host!r} is in a network that is not public: {bad[0]}")
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


def post(target: Target, body: bytes, headers: dict[str, str], within_s: float = POST_WITHIN_S) -> int:
    """Send the body to the checked address and return the status.

    Raises Unavailable, also where the answer does not come within `within_s` seconds.
    """
    with _connected(target, within_s) as connection:
        connection.request("POST", target.path, body, {**headers, "Host": _host_header(target)})
        with connection.getresponse() as answer:
            answer.read(65_536)  # what comes after that is not read
            return answer.status


class Oversized(Exception):
    """An answer is larger than its reader allows."""


@dataclass(frozen=True)
class Answer:
    """What a host answered to a GET."""

    status: int
    location: str  # where it redirects to, or empty
    body: bytes  # empty unless the status is 200


def get(target: Target, most: int, within_s: float) -> Answer:
    """Return the answer of the checked address, with at most `most` bytes.

    Raises Oversized, and Unavailable where it does not come whole within `within_s` seconds.
    """
    with _connected(target, within_s) as connection:
        connection.request("GET", target.path, headers={"Host": _host_header(target), "Accept": "image/*"})
        with connection.getresponse() as answer:
            if answer.status != 200:
                return Answer(answer.status, answer.getheader("Location", ""), b"")
            body = bytearray()
            while part := answer.read1(_PART):
                body += part
                if len(body) > most:
                    raise Oversized(f"{target.host} sends more")
            if answer.length:
                raise http.client.IncompleteRead(bytes(body), answer.length)
            return Answer(answer.status, "", bytes(body))


@contextmanager
def _connected(target: Target, within_s: float) -> Iterator[_Pinned]:
    """A connection for the block, which is ended after `within_s` seconds even if bytes still trickle in.

    Raises Unavailable for what fails inside, and for an answer that came too late.
    """
    until = time.monotonic() + within_s
    connection = _Pinned(target, until)
    watch = threading.Timer(within_s, connection.shut)
    watch.start()
    try:
        yield connection
        if time.monotonic() > until:
            raise TimeoutError
    except (OSError, http.client.HTTPException) as error:
        late = f"no whole answer within {round(within_s, 1):g} s"
        told = late if time.monotonic() > until else f"{type(error).__name__}: {error}"
        raise Unavailable(f"{target.host}: {told}") from error
    finally:
        watch.cancel()
        connection.close()


def _host_header(target: Target) -> str:
    usual = 443 if target.tls else 80
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == usual else f"{host}:{target.port}"


class _Pinned(http.client.HTTPConnection):
    """A connection to the checked address; the certificate must be that of the host's name.

    The connection and its handshake end at `until`, a time of time.monotonic.
    """

    def __init__(self, target: Target, until: float) -> None:
        super().__init__(target.host, target.port, timeout=_TIMEOUT_S)
        self._target, self._until = target, until
        self._ended = threading.Event()
        self._connected: socket.socket | None = None  # `sock` is given away with the answer

    def connect(self) -> None:
        """Connect to the address, not to whatever the name means by now."""
        self.sock = socket.create_connection((self._target.address, self._target.port), self._left_s())
        if self._target.tls:
            self.sock.settimeout(self._left_s())  # of the whole handshake: `shut` cannot end it
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self._target.host)
            self.sock.settimeout(_TIMEOUT_S)
        self._connected = self.sock
        if self._ended.is_set():
            raise TimeoutError

    def _left_s(self) -> float:
        """Return how long the next step may take. Raises TimeoutError if no time is left."""
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return min(_TIMEOUT_S, left_s)

    def shut(self) -> None:
        """End the connection from another thread: what is read or sent then fails."""
        self._ended.set()  # first: `connect` looks at it after it has set `_connected`
        if self._connected is not None:
            with suppress(OSError):  # not SSLSocket's own shutdown: others would go on without TLS
                socket.socket.shutdown(self._connected, socket.SHUT_RDWR)
