"""Opens the database. SQLite and PostgreSQL behave alike through `reading` and `writing`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import PoolProxiedConnection, QueuePool
from vitrine.errors import Unavailable, one_line

from vitrine_gateway.database.sqlite import BUSY_S, UNSYNCED, WRITING, SqliteFile, sqlite_connection
from vitrine_gateway.errors import BadSettings

DRIVERS = {  # of a URL's dialect: (synchronous, asynchronous)
    "sqlite": ("sqlite", "sqlite+aiosqlite"),
    "postgresql": ("postgresql+psycopg", "postgresql+psycopg"),
    "postgres": ("postgresql+psycopg", "postgresql+psycopg"),  # what many hosts give
}
CONNECT_S = 5  # how long a connection to PostgreSQL is tried, if its URL says nothing else
READERS = 3  # connections of `read`, and its threads on PostgreSQL; SQLite's `version` takes one more
LOG_S = 30.0  # how long an erasure waits for readers of an older state
AWAY = (OperationalError, InterfaceError, PoolTimeout, ConnectionError)
"""What is raised while the database is stopped, starts, or was killed. A commit may have been done or not."""
_LEFT_ALONE = ("25006", "25P03")
"""PostgreSQL's codes for a server that is no primary any more (it is read-only) and a transaction that it has
ended because it was idle. Its driver does not take them for a lost connection."""
PATIENCE_S = 60.0  # how long work that must be written waits for a database that is away
AWAY_PAUSE_S = 0.5
PREPARE = "prepare_threshold"
"""Of a URL: how often a statement runs before PostgreSQL keeps it prepared; "none" for poolers that give a
connection to another client after each transaction."""

log = structlog.get_logger("vitrine_gateway.database")

Value = TypeVar("Value")


async def patiently(
    work: Callable[[], Awaitable[Value]],
    seconds: float = PATIENCE_S,
    away: tuple[type[Exception], ...] = AWAY,
) -> Value:
    """Return what `work` returns; while the database is away it is begun again, for `seconds` at most.

    The work must allow that its last commit was done although an error was raised.
    """
    begun, told = time.monotonic(), False
    while True:
        try:
            return await work()
        except away as error:
            if time.monotonic() > begun + seconds:
                raise
            if not told:
                told, why = True, one_line(getattr(error, "orig", None) or error)
                log.warning("the database is away; it is waited for", longest_s=seconds, error=why)
        await asyncio.sleep(AWAY_PAUSE_S)


class Database:
    """The database of one process. Its errors, which go into logs, hold no values of statements."""

    def __init__(self, url: str) -> None:
        """`url` is sqlite:///path or postgresql://…; raises BadSettings for another one."""
        driven = database_url(url, asynchronous=True)
        self._sqlite = driven.get_backend_name() == "sqlite"
        creator = {"async_creator_fn": sqlite_connection} if self._sqlite else {}
        self._engine = create_async_engine(driven, connect_args=creator, hide_parameters=True)
        configure(self._engine.sync_engine)
        event.listen(self._engine.sync_engine, "handle_error", _as_away)
        self._durable = self._engine.execution_options(begin=WRITING)
        self._unsynced = self._engine.execution_options(begin=UNSYNCED)
        self._turn = asyncio.Lock()  # of this process's writers on SQLite, which has no queue for them
        self._threads = ThreadPoolExecutor(READERS, "database")
        any_thread = {"check_same_thread": False} if self._sqlite else {}
        self._reader = create_engine(
            database_url(url),
            poolclass=QueuePool,
            pool_size=READERS + 1,
            max_overflow=0,
            hide_parameters=True,
            connect_args=any_thread,  # the pool gives a connection to one thread at a time
        )
        configure(self._reader)
        self._versions: PoolProxiedConnection | None = None
        self._closed = False

    def version(self) -> int | None:
        """Return a number that is another one when anything was written; None where that cannot be told.

        SQLite tells it in microseconds: https://www.sqlite.org/pragma.html#pragma_data_version
        """
        if not self._sqlite or self._closed:
            return None
        if self._versions is None:  # a connection that writes nothing: its own writes would not count
            self._versions = self._reader.raw_connection()
        cursor = self._versions.cursor()
        ((version,),) = cursor.execute("PRAGMA data_version")
        return int(version)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one state of the database and changes nothing."""
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def writing(self, *, durable: bool = True) -> AsyncIterator[AsyncSession]:
        """A session whose changes are committed together at the end of the block, or not at all.

        On SQLite the lock for writing is taken at the beginning, so that two writers never deadlock.

        The commit of one that is not `durable` does not wait for the disk. A process that is killed loses
        nothing. A machine that loses its power may lose the last such commits, never one before a durable
        one: they are for what is then done or told again, such as leases and progress.
        """
        engine = self._durable if durable else self._unsynced
        turn = self._turn if self._sqlite else nullcontext()
        async with turn, AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            if not (durable or self._sqlite):
                await session.execute(text("SET LOCAL synchronous_commit = off"))
            yield session

    async def read(self, work: Callable[[Session], Value]) -> Value:
        """Return what `work` reads: for reads that are many and brief.

        The asynchronous drivers change threads, or wait for the event loop, at every statement and row set.
        On PostgreSQL this changes threads once. On SQLite it runs at once: a read takes a millisecond, nearly
        all of it Python, and in another thread it would take the interpreter's lock from the event loop,
        which asks for it back at every write to a socket.
        """

        def reading() -> Value:
            with Session(self._reader, expire_on_commit=False) as session:
                return work(session)

        if self._sqlite:
            return reading()
        return await asyncio.get_running_loop().run_in_executor(self._threads, reading)

    async def empty_log(self) -> None:
        """Empty the write-ahead log of SQLite, which holds rows that were deleted until it is written again.

        Raises Unavailable if another process reads an older state of the database for too long.
        """
        if self._sqlite:
            await asyncio.to_thread(self._empty_log)

    def _empty_log(self) -> None:
        until = time.monotonic() + LOG_S
        while time.monotonic() < until:
            connection = self._reader.raw_connection()
            try:
                (busy, *_) = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.close()
            if not busy:
                return
            time.sleep(0.05)
        raise Unavailable(f"the database's log could not be emptied within {LOG_S:g} s: its rows are read")

    async def close(self) -> None:
        """Close the connections, each after what it does now: the last one removes SQLite's log.

        The engine closes those that nobody uses; the others close when their session ends.
        """
        self._closed = True
        if self._versions is not None:
            self._versions.close()
        event.listen(self._engine.sync_engine, "checkin", lambda _, record: record.invalidate())
        await self._engine.dispose()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        await asyncio.to_thread(self._reader.dispose)


def database_url(url: str, *, asynchronous: bool = False) -> URL:
    """Return the URL with the driver that this gateway uses.

    Raises BadSettings for another database, without the URL, which may hold a password.
    """
    try:
        read = make_url(url)
        driven = read.set(drivername=DRIVERS[read.get_backend_name()][asynchronous])
    except (ValueError, ArgumentError, KeyError):
        raise BadSettings(
            "the database must be sqlite:///path or postgresql://user@host:port/name, several hosts "
            f"postgresql://user@/name?host=a:5432&host=b:5432; it begins with {_scheme(url)!r}"
        ) from None
    if driven.get_backend_name() != "postgresql":
        return driven
    _threshold(driven.query.get(PREPARE))
    driven = driven.update_query_dict({"connect_timeout": str(CONNECT_S), **driven.query})
    return driven.update_query_dict({"client_encoding": "utf8"})  # whatever the server's or PGCLIENTENCODING


def _scheme(url: str) -> str:
    """Return what is before the address in a URL, empty without that."""
    before, mark, _ = url.partition("://")
    return before + mark if mark else ""


def _threshold(given: str | tuple[str, ...] | None) -> int | None:
    """Return a URL's prepare_threshold for the driver, which takes none from text."""
    if given is None or given == "none":
        return None
    if not (isinstance(given, str) and given.isascii() and given.isdecimal()):
        raise BadSettings(f"the database's {PREPARE} must be none or a number from 0, got {given!r}")
    return int(given)


def _as_away(context: ExceptionContext) -> OperationalError | None:
    """Give up a connection that PostgreSQL has left alone, and raise what a lost one raises."""
    error = context.original_exception
    if getattr(error, "sqlstate", None) not in _LEFT_ALONE:
        return None
    context.is_disconnect = True
    return OperationalError(context.statement, None, error, hide_parameters=True, connection_invalidated=True)


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    """Give a synchronous engine for a database, with its connections set as this gateway's; end it."""
    engine = create_engine(database_url(url))
    configure(engine)
    try:
        yield engine
    finally:
        engine.dispose()


def configure(engine: Engine) -> None:
    """Open SQLite's file as `SqliteFile`; its transactions begin as the engine's options say."""
    if engine.dialect.name != "sqlite":

        @event.listens_for(engine, "do_connect")
        def _prepare(_dialect: object, _record: object, _args: object, options: dict[str, Any]) -> None:
            if PREPARE in options:
                options[PREPARE] = _threshold(options[PREPARE])

        return
    if engine.url.database:
        try:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadSettings(f"the database's folder cannot be made: {error}") from error

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, _args: object, options: dict[str, Any]) -> None:
        options |= {"factory": SqliteFile, "timeout": BUSY_S, "isolation_level": None}

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))
