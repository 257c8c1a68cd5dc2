"""Prints how long a gateway's answers take while its server is saturated, and what a cancellation takes.

300 clients poll and 50 streams are open while jobs wait. The server is the embedded Triton with --triton
embedded, one that runs with --triton HOST:PORT, and the client's fake without: then the figures are the
gateway's own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
from vitrine_gateway.accounts.keys import account_named, make_key
from vitrine_gateway.credits import ledger
from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.migrate import migrate
from vitrine_gateway.settings import Settings
from vitrine_orchestrator.embedded.ports import free_port

from vitrine_measure.gateway_load.load import Load, Plan
from vitrine_measure.gateway_soak.nursery import Nursery
from vitrine_measure.gateway_soak.postgresql import PostgreSQL
from vitrine_measure.gateway_soak.victims import supervised_triton

LIMIT_MS = 100.0


def main() -> int:
    """Run the load; return 0 if the 99th percentile of all answers is below the limit."""
    parser = argparse.ArgumentParser(prog="python -m vitrine_measure.gateway_load", description=__doc__)
    for name, default in vars(Plan()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    parser.add_argument("--triton", default="", help="`embedded`, or host:port; default: the client's fake")
    parser.add_argument("--postgresql", action="store_true", help="a PostgreSQL in place of SQLite")
    args = vars(parser.parse_args())
    triton, postgresql = args.pop("triton"), args.pop("postgresql")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="vitrine-gateway-load-"))
        port = free_port()
        settings: dict[str, Any] = {
            "data": folder,
            "port": port,
            "rate_calls": "",
            "rate_jobs": "",
            "workers": 4,
        }
        if postgresql:
            settings["database"] = stack.enter_context(PostgreSQL()).database("load")
        if triton:
            embedded = triton == "embedded"
            settings["triton"] = stack.enter_context(supervised_triton()).grpc if embedded else triton
        key = asyncio.run(_account(Settings.of(**settings)))
        nursery = stack.enter_context(Nursery())
        process = psutil.Process(nursery.start("gateway", settings))
        _wait(port)
        before = sum(process.cpu_times()[:2])
        figures = asyncio.run(Load(Plan(**args), port, key).run()).told()
        used_ms = 1000 * (sum(process.cpu_times()[:2]) - before)
        figures["CPU of the gateway, ms per answer"] = round(used_ms / figures["every answer"]["count"], 2)
    print(json.dumps(figures, indent=2))
    return 0 if figures["every answer"]["p99"] < LIMIT_MS else 1


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


if __name__ == "__main__":
    sys.exit(main())
