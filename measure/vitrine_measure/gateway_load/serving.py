"""A gateway as a process of its own, with one account."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
from vitrine_gateway.settings import Settings
from vitrine_orchestrator.embedded.ports import free_port

from vitrine_measure.gateway_serving import new_key
from vitrine_measure.gateway_soak.nursery import Nursery

CREDITS = 10**9


@contextmanager
def gateway_process(**settings: Any) -> Iterator[tuple[int, str, psutil.Process]]:
    """Serve until the block ends; give the port, a key with credits, and the process.

    Without the setting `triton` the server is the client's fake, whose steps take 20 ms.
    """
    with tempfile.TemporaryDirectory(prefix="vitrine-gateway-load-") as folder:
        port = free_port()
        chosen = {"data": folder, "port": port, "rate_calls": "", "rate_jobs": "", **settings}
        key = asyncio.run(new_key(Settings.of(**chosen), "load", CREDITS))
        with Nursery() as nursery:
            process = psutil.Process(nursery.start("gateway", chosen))
            _wait(port)
            yield port, key, process


def _wait(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the gateway did not start within 60 s")
