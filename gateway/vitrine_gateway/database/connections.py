"""Opens the database. SQLite and PostgreSQL behave alike through `reading` and `writing`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool

from vitrine_gateway.errors import BadSettings

DRIVERS = {  # of a URL's dialect: (asynchronous, synchronous for migrations)
    "sqlite": ("sqlite+aiosqlite", "sqlite"),
    "postgresql": ("postgresql+psycopg", "postgresql+psycopg"),
}
READERS = 3  # threads and connections of `read`
BUSY_MS = 30_000  # how long a writer of SQLite waits for another one
AWAY = (OperationalError, InterfaceError, PoolTimeout, ConnectionError)
"""What is raised while the database is stopped, starts, or was killed. A commit may have been done or not."""
PATIENCE_S = 60.0  # how long work that must be written waits for a database that is away
AWAY_PAUSE_S = 0.5

Value = TypeVar("Value")


async def patiently(
    work: Callable[[], Awaitable[Value]],
    seconds: float = PATIENCE_S,
    away: tuple[type[Exception], ...] = AWAY,
) -> Value:
    """Return what `work` returns; while the database is away it is begun again, for `seconds` at most.

    The work must allow that its last commit was done although an error was raised.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            return await work()
        except away:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(AWAY_PAUSE_S)


class Database:
    """The database of one process."""

    def __init__(self, url: str) -> None:
        """`url` is sqlite:///path or postgresql://…; raises BadSettings for another one."""
        self._engine = create_async_engine(database_url(url, 0))
        configure(self._engine.sync_engine)
        self._writer = self._engine.execution_options(immediate=True)
        self._threads = ThreadPoolExecutor(READERS, "database")
        self._reader = create_engine(
            database_url(url, 1), poolclass=QueuePool, pool_size=READERS, max_overflow=0
        )
        configure(self._reader)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that sees one state of the database and changes nothing."""
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncSession]:
        """A session whose changes are committed together at the end of the block, or not at all.

        On SQLite the lock for writing is taken at the beginning, so that two writers never deadlock.
        """
        async with AsyncSession(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    async def read(self, work: Callable[[Session], Value]) -> Value:
        """Return what `work` reads, in a thread: for reads that are many.

        The asynchronous drivers change threads, or wait for the event loop, at every statement and row set;
        this changes threads once.
        """

        def reading() -> Value:
            with Session(self._reader, expire_on_commit=False) as session:
                return work(session)

        return await asyncio.get_running_loop().run_in_executor(self._threads, reading)

    async def close(self) -> None:
        """Close the connections."""
        await self._engine.dispose()
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._reader.dispose)


def database_url(url: str, driver: int) -> URL:
    """Return the URL with the driver of ours: 0 asynchronous, 1 synchronous."""
    try:
        read = make_url(url)
        return read.set(drivername=DRIVERS[read.get_backend_name()][driver])
    except (ArgumentError, KeyError) as error:
        raise BadSettings(
            f"the database must be sqlite:///path or postgresql://host/name, got {url!r}"
        ) from error


def configure(engine: Engine) -> None:
    """Set what a SQLite file needs for many readers and one writer at a time."""
    if engine.dialect.name != "sqlite":
        return
    if engine.url.database:
        Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver begins no transaction by itself
        cursor = connection.cursor()
        for pragma in (f"busy_timeout = {BUSY_MS}", "journal_mode = WAL", "foreign_keys = ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.execute("PRAGMA secure_delete = ON")  # an erased row leaves no bytes in the file
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get("immediate")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
