"""Connections to SQLite: their settings, and which of their calls run in the event loop's own thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import aiosqlite

BUSY_S = 30.0  # how long a writer waits for another one
WRITING = "BEGIN IMMEDIATE"
UNSYNCED = "BEGIN IMMEDIATE -- its commit does not wait for the disk"
PAGES = 1000  # of the log, after which a durable commit copies it into the database

Value = TypeVar("Value")


class SqliteFile(sqlite3.Connection):
    """A connection of the driver, set for many readers and one writer at a time."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        try:
            # secure_delete: an erased row leaves no bytes in the file
            settings = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON")
            for setting in settings:
                self.execute(f"PRAGMA {setting}").fetchall()
        except sqlite3.Error:
            self.close()
            raise


class SqliteConnection(aiosqlite.Connection):
    """A connection that uses its thread for what may wait alone, and stops it once.

    A statement takes SQLite some tens of microseconds, a change of threads and back several times that, and
    in a busy event loop a turn of the loop. In WAL mode readers wait for nobody. What can wait is the
    beginning of a writing transaction, if another one is under way, and a commit, if it is durable: those
    alone go to the thread.

    SQLAlchemy stops the thread of a connection whose close is interrupted, and the close then does so too.
    Nobody answers the second order (aiosqlite 0.22.1): its caller would wait for ever, and with it the end of
    the event loop.
    """

    _stopped = False
    _interrupted = False  # the thread may still work on what was given up
    _durable = True  # whether commits wait for the disk: SqliteFile's own setting

    async def _execute(self, fn: Callable[..., Value], *args: Any, **kwargs: Any) -> Value:
        connection = self._connection
        if connection is not None and self._running and not self._interrupted:
            if args[:1] in ((WRITING,), (UNSYNCED,)):
                self._set_durable(connection, args[0] == WRITING)
                with suppress(Locked):
                    return _without_waiting(connection, fn, *args)
            elif not self._may_wait(connection, fn):
                return fn(*args, **kwargs)
        try:
            return await super()._execute(fn, *args, **kwargs)
        except asyncio.CancelledError:
            self._interrupted = True
            raise

    def _may_wait(self, connection: sqlite3.Connection, fn: Callable[..., object]) -> bool:
        """Whether a call waits for the disk, or for those who read."""
        if fn == connection.commit:
            return connection.in_transaction and self._durable
        return fn == connection.close

    def _set_durable(self, connection: sqlite3.Connection, durable: bool) -> None:
        """Let commits wait until the log is on the disk, or leave that to the next durable one.

        A commit that does not wait leaves the copying of the log to others too, since that waits as well.
        """
        if durable != self._durable:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES if durable else 0}").fetchall()
            self._durable = durable

    def stop(self) -> asyncio.Future[Any] | None:
        """Let the thread close the connection and end, after what it was given before."""
        if self._stopped:
            return None
        self._stopped = True
        return super().stop()


class Locked(Exception):
    """Another writing transaction of SQLite is under way."""


def _without_waiting(connection: sqlite3.Connection, fn: Callable[..., Value], *args: Any) -> Value:
    """Run a statement; raises Locked where it would have to wait for another writer."""
    connection.execute("PRAGMA busy_timeout = 0").fetchall()
    try:
        return fn(*args)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # its higher bits say of what kind
            raise
        raise Locked from error
    finally:
        connection.execute(f"PRAGMA busy_timeout = {int(1000 * BUSY_S)}").fetchall()


def sqlite_connection(path: str, **options: Any) -> SqliteConnection:
    """A connection as `aiosqlite.connect` makes one, with a thread that does not keep the process alive."""
    options["check_same_thread"] = False  # two threads use it, never at the same time
    connection = SqliteConnection(lambda: sqlite3.connect(path, **options), iter_chunk_size=64)
    connection._thread.daemon = True
    return connection
