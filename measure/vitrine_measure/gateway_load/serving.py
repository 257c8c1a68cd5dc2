"""A gateway as a process of its own, with one account."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from vitrine_gateway.accounts.keys import account_named, make_key
from vitrine_gateway.credits import ledger
from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.migrate import migrate
from vitrine_gateway.settings import Settings

from vitrine_measure.gateway_soak.nursery import Nursery


@contextmanager
def gateway_process(**settings: Any) -> Iterator[tuple[int, str, psutil.Process]]:
    """Serve until the block ends; give the port, a key with credits, and the process.

    Without the setting `triton` the server is the client's fake, whose steps take 20 ms.
    """
    with tempfile.TemporaryDirectory(prefix="vitrine-gateway-load-") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        chosen = {"data": folder, "port": port, "rate_calls": "", "rate_jobs": "", **settings}
        key = asyncio.run(_account(Settings.of(**chosen)))
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


async def _account(settings: Settings) -> str:
    """Make the database with an account, and return its key."""
    Path(settings.data).mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(migrate, settings.database_url)
    database = Database(settings.database_url)
    try:
        async with database.writing() as session:
            account = await account_named(session, "load", create=True)
            await ledger.grant(session, account.id, 10**9)
            return await make_key(session, account)
    finally:
        await database.close()
