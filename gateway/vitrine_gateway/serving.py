"""Runs a gateway's process until it is told to stop, and then lets it close what it has open."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI

from vitrine_gateway.addresses import in_url
from vitrine_gateway.settings import Settings

KEEP_ALIVE_S = 75
"""For which an idle connection stays open: longer than nginx and load balancers keep theirs, which is 60 s.
Otherwise a request can meet a connection that is being closed, and the proxy answers it with 502."""
AGAIN_S = 0.5  # a Ctrl-C that follows sooner is the same one, passed on by a program such as docker or npm
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # the last one: of a terminal that is closed


def serve_app(app: FastAPI, settings: Settings) -> None:
    """Serve over HTTP until a signal comes.

    The application's parts are opened before, so that a signal ends that too and its errors are raised.
    """
    config = server_config(app, settings)
    config.lifespan = "off"
    server = _Server(config)

    async def work() -> None:
        async with app.router.lifespan_context(app):
            await server.serve()

    until_stopped(work, server.is_stopping)


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return how the application is served over HTTP."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=KEEP_ALIVE_S,
        forwarded_allow_ips=settings.trusted_proxies,
    )


class _Server(uvicorn.Server):
    """Says when it serves."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `until_stopped`: uvicorn would raise each a second time when it has ended."""
        yield

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Begin to serve."""
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]  # the setting may be 0
            address = f"http://{in_url(self.config.host)}:{port}"
            print(f"The gateway serves {address}. Ctrl-C stops it.", file=sys.stderr, flush=True)

    def is_stopping(self) -> bool:
        """Whether it ends by itself after a signal: it does once it has begun to serve."""
        self.should_exit = True
        return self.started


def until_stopped(
    work: Callable[[], Coroutine[Any, Any, None]], is_stopping: Callable[[], bool] = lambda: False
) -> None:
    """Run until the work ends, or a signal of STOPPING cancels it: it then gives back the jobs it holds.

    `is_stopping` is called when the first signal comes; if it is true, the work ends by itself and is not
    cancelled. A later Ctrl-C ends the process at once: the jobs that it holds wait until their leases end.
    """

    async def stoppable() -> None:
        task = asyncio.current_task()
        assert task, "a coroutine runs in one"

        def stop() -> None:
            if not is_stopping():
                task.cancel()

        with _on_signals(stop):
            await work()

    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(stoppable())


@contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` in the event loop for the first signal of STOPPING that is not ignored (nohup: SIGHUP)."""
    if threading.current_thread() is not threading.main_thread():  # no other one gets signals
        yield
        return
    loop, begun_s = asyncio.get_running_loop(), list[float]()

    def come(number: int) -> None:
        if not begun_s:
            begun_s.append(loop.time())
            stop()
        elif number == signal.SIGINT and loop.time() - begun_s[0] > AGAIN_S:
            os._exit(128 + number)

    before = {one: signal.getsignal(one) for one in STOPPING}
    taken = {one: handler for one, handler in before.items() if handler is not signal.SIG_IGN}
    for one in taken:
        loop.add_signal_handler(one, come, one)
    try:
        yield
    finally:
        for one, handler in taken.items():
            loop.remove_signal_handler(one)
            signal.signal(one, handler)
