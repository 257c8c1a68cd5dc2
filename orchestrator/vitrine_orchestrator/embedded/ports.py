"""Chooses loopback ports: the default ones if they are free, else any free ones."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from vitrine.errors import Unavailable

LOOPBACK = "127.0.0.1"

# A port that the kernel gives to outgoing connections may be taken between its choice and the server's bind.
OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST, HIGHEST = 10_000, 65_535
FEWEST = 1000  # a smaller range outside the outgoing one is not used: several servers choose from it
TRIES = 200
DRAW = random.SystemRandom()  # processes with the same seed must not choose the same ports


@dataclass(frozen=True)
class Ports:
    """The three ports of a Triton server."""

    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002


USUAL = Ports()
ANY_PORTS = Ports(0, 0, 0)
"""Any free ones."""


def free_ports(wanted: Ports = USUAL) -> Ports:
    """`wanted`, with each taken port replaced by a free one; port 0 means any free port."""
    chosen: list[int] = []
    for port in (wanted.http, wanted.grpc, wanted.metrics):
        chosen.append(port if port not in chosen and is_free(port) else free_port(chosen))
    return Ports(*chosen)


def check_loopback() -> None:
    """Raise Unavailable where no packet reaches this machine itself, as in a network without an interface."""
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((LOOPBACK, HIGHEST))  # sends nothing; looks up the way only
        except OSError as error:
            raise Unavailable(
                f"{LOOPBACK} cannot be reached ({error.strerror}): the loopback interface must be up "
                "(ip link set lo up)"
            ) from error


def is_free(port: int) -> bool:
    """Whether a server could listen at a loopback port now; 0 is none."""
    if port == 0:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int, path: str) -> bool:
    """Whether an HTTP server at a loopback port answers GET `path` with 200 within a second."""
    connection = HTTPConnection(LOOPBACK, port, timeout=1.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def free_port(taken: Sequence[int] = ()) -> int:
    """Any free loopback port that is not in `taken`, and that the kernel gives to no outgoing connection."""
    lowest, highest = _quiet_range(OUTGOING)
    for _ in range(TRIES):
        port = DRAW.randint(lowest, highest)
        if port not in taken and is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _quiet_range(file: Path) -> tuple[int, int]:
    """The longer range of ports beside those of outgoing connections; all ports where there is none."""
    try:
        first, last = (int(word) for word in file.read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        first, last = 32_768, 60_999  # Linux's default
    below, above = (LOWEST, first - 1), (last + 1, HIGHEST)
    longest = max(below, above, key=lambda span: span[1] - span[0])
    return longest if longest[1] - longest[0] >= FEWEST else (LOWEST, HIGHEST)
