"""Chooses loopback ports: the default ones if they are free, else any free ones."""

from __future__ import annotations

import socket
from dataclasses import dataclass

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """The three ports of a Triton server."""

    http: int = 8000
    grpc: int = 8001
    metrics: int = 8002


USUAL = Ports()


def free_ports(wanted: Ports = USUAL) -> Ports:
    """`wanted`, with each taken port replaced by a free one; port 0 means any free port."""
    chosen: list[int] = []
    for port in (wanted.http, wanted.grpc, wanted.metrics):
        chosen.append(port if _is_free(port) and port not in chosen else _any_free(chosen))
    return Ports(*chosen)


def _is_free(port: int) -> bool:
    if port == 0:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _any_free(taken: list[int]) -> int:
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port = probe.getsockname()[1]
        if port not in taken:
            return port
