"""What a soak kills: gateways, workers, the database and the Vitrine server, each with its way back."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import SOURCE, EmbeddedTriton
from vitrine_orchestrator.embedded.watching import watched
from vitrine_orchestrator.stages import STAGES

from vitrine_measure.gateway_soak.nursery import Nursery
from vitrine_measure.gateway_soak.postgresql import PostgreSQL

WORKERS = {"gateway": 1, "worker": 2}  # jobs at the same time, of each kind of process
TRY_ON = [row.name for row in STAGES if "idm_vton" in row.families] + ["cache_control"]
RESTART_S = 300.0  # within which a killed Triton must serve again; more than a crowded machine needs


class Victim(Protocol):
    """One thing that is killed again and again."""

    async def kill(self) -> None:
        """End it by SIGKILL and see that it comes back."""


class Process:
    """A gateway or a worker; the next one is started at once."""

    def __init__(self, nursery: Nursery, kind: str, settings: dict[str, Any]) -> None:
        self._nursery, self._kind = nursery, kind
        self._settings = {**settings, "workers": WORKERS[kind]}
        self._pid = nursery.start(kind, self._settings)

    async def kill(self) -> None:
        """See Victim."""
        self._nursery.kill(self._pid)
        self._pid = self._nursery.start(self._kind, self._settings)


class Database:
    """PostgreSQL; it is away for `away_s` seconds and for its start."""

    def __init__(self, server: PostgreSQL, away_s: Callable[[], float]) -> None:
        self._server, self._away_s = server, away_s

    async def kill(self) -> None:
        """See Victim."""
        self._server.kill()
        await asyncio.sleep(self._away_s())
        await asyncio.to_thread(self._server.start)


class Triton:
    """The Vitrine server, which its supervisor starts again."""

    def __init__(self, server: EmbeddedTriton) -> None:
        self._server = server

    async def kill(self) -> None:
        """See Victim; returns when the server runs try-ons again. Raises TimeoutError."""
        before = self._server.pid
        os.kill(before, signal.SIGKILL)
        until = time.monotonic() + RESTART_S
        while not await asyncio.to_thread(self._serves, before):
            if time.monotonic() > until:
                raise TimeoutError(f"Triton does not serve again within {RESTART_S:g} s")
            await asyncio.sleep(0.2)

    def _serves(self, before: int) -> bool:
        try:
            return self._server.alive and self._server.pid != before and self._has_models()
        except Exception:
            return False  # it is being started

    def _has_models(self) -> bool:
        return set(TRY_ON) <= {name for name, _ in self._server.ready()}


@contextmanager
def supervised_triton(repository: Path = SOURCE / "model_repository") -> Iterator[EmbeddedTriton]:
    """Serve try-ons by the embedded Triton under its supervisor."""
    server = EmbeddedTriton(repository, models=TRY_ON, ports=ANY_PORTS)
    with server, watched(server, lambda text: None):
        yield server
