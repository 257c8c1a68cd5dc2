"""Serves a gateway in this process, with one account: for measurements and tests."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from vitrine_gateway.accounts.keys import key_with_credits
from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.migrate import migrate
from vitrine_gateway.settings import Settings

LEAVE_S = 20.0  # seconds in which a server ends, after which it is left alone


async def new_key(settings: Settings, name: str, credits: int) -> str:
    """Make the settings' database, and the account `name` with credits; return the account's key."""
    Path(settings.data).mkdir(parents=True, exist_ok=True)
    await asyncio.to_thread(migrate, settings.database_url)
    database = Database(settings.database_url)
    try:
        async with database.writing() as session:
            return await key_with_credits(session, name, credits)
    finally:
        await database.close()


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve in a thread, on a free port of loopback, until the block ends; give the address.

    Raises RuntimeError if the application does not start.
    """
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the gateway has not started")
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(LEAVE_S)
