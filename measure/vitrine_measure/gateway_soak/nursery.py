"""Starts gateways and workers as processes that can be killed: `nursery.py` runs as a process of its own.

Each line on stdin is JSON, {"kind": "gateway" or "worker", "settings": {…}}; the process forks, and prints
the new process's id. The imports are paid once, so that a killed process is replaced in milliseconds.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Any

PAUSE_S = 0.02  # of the fake server, between two steps


class Nursery:
    """The other end of the process; killed and unfinished processes end with the block."""

    def __enter__(self) -> Nursery:
        command = [sys.executable, "-m", __spec__.name]
        self._parent = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._pids: set[int] = set()
        return self

    def start(self, kind: str, settings: dict[str, Any]) -> int:
        """Start a gateway or a worker and return its process id."""
        asked, told = self._parent.stdin, self._parent.stdout
        assert asked is not None, "it is a pipe"
        assert told is not None, "it is a pipe"
        asked.write(json.dumps({"kind": kind, "settings": settings}) + "\n")
        asked.flush()
        pid = int(told.readline())
        self._pids.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        """End a process by SIGKILL."""
        self._pids.discard(pid)
        os.kill(pid, signal.SIGKILL)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in list(self._pids):
            self.kill(pid)
        self._parent.communicate(timeout=30)


def main() -> None:
    """Fork a process for each line of stdin."""
    for name in ("uvicorn", "vitrine_gateway.app"):
        importlib.import_module(name)  # before the forks
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # killed processes are collected by the kernel
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            nothing = os.open(os.devnull, os.O_RDWR)
            for pipe in (0, 1):
                os.dup2(nothing, pipe)  # the pipes are the parent's
            asyncio.run(_live(**json.loads(line)))
        print(pid, flush=True)


async def _live(kind: str, settings: dict[str, Any]) -> None:
    """Be a gateway or a worker until the process is killed."""
    import uvicorn
    from vitrine_gateway.app import connect, create_app
    from vitrine_gateway.garbage import spare_what_stays
    from vitrine_gateway.gateway import open_gateway
    from vitrine_gateway.jobs.worker import Worker
    from vitrine_gateway.settings import Settings
    from vitrine_gateway.telemetry.logs import set_up_logs
    from vitrine_gateway.webhooks import sender

    sender.LOCK_S, sender.PAUSES_S = 2.0, (0.5,) * 100  # a killed sender's message is not late by a minute
    set_up_logs("text")  # as `vitrine gateway` does; else a library draws each traceback with its variables
    logging.getLogger().setLevel(logging.WARNING)
    read = Settings.of(**settings)
    opened = connect if settings.get("triton") else _fake
    if kind == "gateway":
        app = create_app(read, opened)
        spare_what_stays()
        config = uvicorn.Config(app, port=read.port, log_config=None, access_log=False)
        await uvicorn.Server(config).serve()
        return
    await Worker(await open_gateway(read, opened(read))).run()


def _fake(settings: Any) -> Any:
    from vitrine import AsyncFakeTransport, AsyncVitrine

    class Slow(AsyncFakeTransport):
        """The client's fake with a pause before each step."""

        async def stream(
            self, model: str, inputs: Any, *, timeout_s: float, version: str = ""
        ) -> AsyncGenerator[dict[str, Any], None]:
            async for outputs in super().stream(model, inputs, timeout_s=timeout_s, version=version):
                await asyncio.sleep(PAUSE_S)
                yield outputs

    return AsyncVitrine(transport=Slow())


if __name__ == "__main__":
    main()
