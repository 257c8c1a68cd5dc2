"""`vitrine gateway`: runs the gateway, and manages its database, accounts and keys."""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
from sqlalchemy.exc import DBAPIError
from vitrine.errors import Unavailable, one_line

from vitrine_gateway.accounts.keys import SCOPES, account_named, key_with_credits, revoke_key
from vitrine_gateway.app import connect, create_app, running
from vitrine_gateway.backup import backup, restore
from vitrine_gateway.command_actions import add_actions
from vitrine_gateway.credits import ledger
from vitrine_gateway.database.connections import Database
from vitrine_gateway.database.migrate import migrate
from vitrine_gateway.garbage import spare_what_stays
from vitrine_gateway.gateway import open_gateway
from vitrine_gateway.jobs.worker import Worker
from vitrine_gateway.mcp.server import serve_stdio
from vitrine_gateway.queue_bridge import serve_queue
from vitrine_gateway.serving import serve_app, until_stopped
from vitrine_gateway.settings import Settings
from vitrine_gateway.telemetry.logs import set_up_logs

log = structlog.get_logger("vitrine_gateway.command")
HELP = "serve REST, jobs, history and credits in front of a Vitrine server"
EXAMPLES = """\
examples:
  vitrine gateway key --account shop --credits 100   make an account with 100 credits and print a key
  vitrine gateway                                    serve on http://127.0.0.1:8080, until Ctrl-C
  vitrine gateway worker                             run jobs in another process (PostgreSQL and S3)
  GATEWAY_KEY=vt_live_… vitrine gateway mcp          serve MCP over stdin and stdout
  GATEWAY_OLD_ACCOUNT=shop vitrine gateway bullmq    serve the queue vto-queue of a Redis
  vitrine gateway credits --account shop --add 50    add credits
  vitrine gateway revoke --key 5f0c…                 end a key
  vitrine gateway migrate                            bring the database to its newest form
  vitrine gateway backup --file shop.backup          save the database while the gateway serves
  vitrine gateway restore --file shop.backup         bring it back; stop the gateway before

`vitrine gateway ACTION --help` explains an action. Settings are environment variables,
GATEWAY_PORT=9000 vitrine gateway; docs/gateway.md lists them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions, each with its options, to `parser`."""
    add_actions(parser)


def run(args: argparse.Namespace) -> int:
    """Do one action and return 0. Raises VitrineError."""
    settings = Settings.from_environment(os.environ)
    serving = {"serve": serve, "worker": _worker, "mcp": _mcp, "bullmq": _bullmq}
    if args.action in serving:
        serving[args.action](settings)
        return 0
    managing = {"migrate": _migrate, "backup": _backup, "restore": _restore}
    try:
        managing.get(args.action, _manage)(args, settings)
    except DBAPIError as error:
        raise Unavailable(f"the database cannot be used: {one_line(error.orig or error)}") from error
    except (sqlite3.Error, OSError) as error:  # a disk that is full, a folder without rights
        raise Unavailable(one_line(error)) from error
    return 0


def serve(settings: Settings) -> None:
    """Serve HTTP and run jobs until a signal comes. Raises VitrineError if the start fails."""
    set_up_logs(settings.log)
    app = create_app(settings)
    spare_what_stays()
    serve_app(app, settings)


def _worker(settings: Settings) -> None:
    set_up_logs(settings.log)

    async def work() -> None:
        gateway = await open_gateway(settings, connect(settings))
        spare_what_stays()
        try:
            await Worker(gateway).run()
        finally:
            await gateway.close()

    until_stopped(work)


def _mcp(settings: Settings) -> None:
    set_up_logs(settings.log)
    _warn_of_guessed_links(settings)

    async def work() -> None:
        async with running(settings, connect) as gateway:
            await serve_stdio(gateway)

    until_stopped(work)


def _bullmq(settings: Settings) -> None:
    set_up_logs(settings.log)
    _warn_of_guessed_links(settings)

    async def work() -> None:
        async with running(settings, connect) as gateway:
            await serve_queue(gateway)

    until_stopped(work)


def _warn_of_guessed_links(settings: Settings) -> None:
    if settings.guesses_its_address:
        log.warning("links name this machine only: set GATEWAY_PUBLIC_URL", links=settings.base_url)


def _migrate(args: argparse.Namespace, settings: Settings) -> None:
    migrate(settings.database_url, args.revision)


def _backup(args: argparse.Namespace, settings: Settings) -> None:
    file: Path = args.file
    backup(settings.database_url, file, args.replace)
    where = settings.pictures or f"the folder {settings.data}"
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB. The pictures are not in it: copy {where} after this.")


def _restore(args: argparse.Namespace, settings: Settings) -> None:
    restore(settings.database_url, args.file, settings.lease_s, args.replace)
    print(
        f"The database is that of {args.file}. Jobs that had not ended then run again; people who were "
        "erased since must be erased again."
    )


def _manage(args: argparse.Namespace, settings: Settings) -> None:
    migrate(settings.database_url)
    actions: dict[str, Callable[[argparse.Namespace, Database], Awaitable[str]]] = {
        "key": _key,
        "revoke": _revoke,
        "credits": _credits,
    }

    async def act() -> str:
        database = Database(settings.database_url)
        try:
            return await actions[args.action](args, database)
        finally:
            await database.close()

    print(asyncio.run(act()))


async def _key(args: argparse.Namespace, database: Database) -> str:
    async with database.writing() as session:
        return await key_with_credits(
            session,
            args.account,
            args.credits,
            note="with a key",
            scopes=args.scope or SCOPES,
            days=args.days,
        )


async def _revoke(args: argparse.Namespace, database: Database) -> str:
    async with database.writing() as session:
        await revoke_key(session, args.key)
    return f"the key {args.key} is revoked"


async def _credits(args: argparse.Namespace, database: Database) -> str:
    async with database.writing() as session:
        account = await account_named(session, args.account)
        if args.add:
            await ledger.grant(session, account.id, args.add, "by the operator")
        await session.refresh(account)
        return f"{account.name}: {account.credits} credits; webhook secret {account.webhook_secret}"
