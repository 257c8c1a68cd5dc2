"""No connection to the database stays open: whatever is cancelled, and whenever the gateway ends."""

import asyncio

import aiosqlite
import pytest
from sqlalchemy import text
from vitrine_gateway.database.connections import Database, SqliteConnection, sqlite_connection

WAITS = 8  # more than a write on a new connection has


@pytest.fixture
def made(monkeypatch):
    """The connections that the test made."""
    made, init = [], SqliteConnection.__init__

    def remember(self, *args, **options):
        init(self, *args, **options)
        made.append(self)

    monkeypatch.setattr(SqliteConnection, "__init__", remember)
    return made


async def read(database):
    """One statement, on a connection of its own if none is free."""
    async with database.reading() as session:
        return (await session.execute(text("SELECT 1"))).scalar_one()


async def write(database):
    """A written row."""
    async with database.writing() as session:
        await session.execute(text("CREATE TABLE IF NOT EXISTS rows (number INTEGER)"))
        await session.execute(text("INSERT INTO rows VALUES (1)"))


async def ended(connections):
    """Wait until the threads of these have ended; whether each closed its connection."""
    for one in connections:
        await asyncio.to_thread(one._thread.join, 10)
    return all(one._connection is None and not one._thread.is_alive() for one in connections)


@pytest.mark.parametrize("stops", [0, 1, 2])
async def test_a_close_ends_when_the_thread_is_stopped_meanwhile(tmp_path, stops):
    """SQLAlchemy does so when a close is cancelled; nobody would answer the second order to stop."""
    connection = await sqlite_connection(str(tmp_path / "some.db"))
    closing = asyncio.create_task(connection.close())
    await asyncio.sleep(0)
    for _ in range(stops):
        connection.stop()
    await asyncio.wait_for(closing, 10)
    connection._thread.join(10)
    assert not connection._thread.is_alive()


@pytest.mark.parametrize("work", [read, write])
@pytest.mark.parametrize("at", range(1, WAITS))
async def test_work_that_is_cancelled_at_any_of_its_waits_leaves_nothing_open(
    tmp_path, monkeypatch, made, work, at
):
    """`at` counts the waits for the thread, from the opening to the end; later ones are not reached."""
    waits, execute = [], aiosqlite.Connection._execute

    async def counted(self, fn, *args, **options):
        waits.append(fn)
        if len(waits) == at:
            asyncio.current_task().cancel()
        return await execute(self, fn, *args, **options)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    database = Database(f"sqlite:///{tmp_path}/some.db")
    working = asyncio.create_task(work(database))
    (outcome,) = await asyncio.gather(working, return_exceptions=True)
    reached = len(waits) >= at
    assert isinstance(outcome, asyncio.CancelledError) == reached
    monkeypatch.setattr(aiosqlite.Connection, "_execute", execute)
    await asyncio.wait_for(write(database), 10)  # no lock was left
    await database.close()
    assert await ended(made)


async def test_a_session_that_ends_after_the_database_was_closed_closes_its_connection(tmp_path, made):
    """A request may still run when the gateway ends; it is answered."""
    database = Database(f"sqlite:///{tmp_path}/some.db")
    async with database.reading() as session:
        assert (await session.execute(text("SELECT 1"))).scalar_one() == 1
        await database.close()
        assert (await session.execute(text("SELECT 2"))).scalar_one() == 2
        assert made[0]._connection is not None
    assert await ended(made)
    assert await read(database) == 1  # and one that begins only now
    assert await ended(made)
