"""A gateway on loopback, on the client's fake, with one account that has a key and many credits."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import uvicorn
from vitrine import AsyncFakeTransport, AsyncVitrine
from vitrine_gateway.accounts.keys import account_named, make_key
from vitrine_gateway.app import create_app
from vitrine_gateway.credits import ledger
from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.migrate import migrate
from vitrine_gateway.settings import Settings

CREDITS = 1_000_000_000
UNLIMITED = {"rate_calls": "", "rate_jobs": "", "max_queued": 1_000_000}


@contextmanager
def served(**settings: Any) -> Iterator[tuple[str, str]]:
    """Serve in a thread; give the address and the key."""
    with tempfile.TemporaryDirectory(prefix="vitrine-gateway-fuzz-") as folder:
        chosen = Settings.of(**{"data": folder, "workers": 2, "poll_s": 0.05, **UNLIMITED, **settings})
        migrate(chosen.database_url)
        key = asyncio.run(_account(chosen))
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
        app = create_app(chosen, lambda _: AsyncVitrine(transport=AsyncFakeTransport()))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", key
        finally:
            server.should_exit = True
            thread.join(20)


async def _account(settings: Settings) -> str:
    database = Database(settings.database_url)
    try:
        async with database.writing() as session:
            account = await account_named(session, "fuzz", create=True)
            await ledger.grant(session, account.id, CREDITS)
            return await make_key(session, account)
    finally:
        await database.close()
