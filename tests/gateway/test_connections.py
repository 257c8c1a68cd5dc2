"""Connections to the database: none stays open, and the event loop waits for no writer and no disk."""

import asyncio
import secrets
import sqlite3
from contextlib import closing

import aiosqlite
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from vitrine_gateway.database import sqlite
from vitrine_gateway.database.connections import Database, database_url, patiently
from vitrine_gateway.database.sqlite import SqliteConnection, sqlite_connection
from vitrine_gateway.errors import BadSettings

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


async def test_an_error_of_the_database_names_nobody(tmp_path):
    """It goes into the log with its traceback, so the values of its statement stay out of it."""
    database = Database(f"sqlite:///{tmp_path}/some.db")
    wrong, person = text("SELECT * FROM nowhere WHERE person = :person"), {"person": "ada"}
    for reading in (database.reading, database.writing):
        with pytest.raises(OperationalError, match="nowhere") as failed:
            async with reading() as session:
                await session.execute(wrong, person)
        assert "ada" not in str(failed.value)
    with pytest.raises(OperationalError, match="nowhere") as failed:
        await database.read(lambda session: session.execute(wrong, person))
    assert "ada" not in str(failed.value)
    await database.close()


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


@pytest.fixture
def on_threads(monkeypatch):
    """What was given to the threads of connections."""
    given, execute = [], aiosqlite.Connection._execute

    async def counted(self, fn, *args, **options):
        given.append(fn.__name__)
        return await execute(self, fn, *args, **options)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    return given


async def pragma(session, name):
    """A setting of the session's connection."""
    return (await session.execute(text(f"PRAGMA {name}"))).scalar_one()


async def test_only_a_durable_commit_waits_for_the_disk(tmp_path, on_threads):
    """In turns on one connection; both are there for others at once; durable ones alone copy the log."""
    database = Database(f"sqlite:///{tmp_path}/some.db")
    await write(database)
    for durable, synchronous in ((True, 2), (False, 1), (False, 1), (True, 2)):
        del on_threads[:]
        async with database.writing(durable=durable) as session:
            assert await pragma(session, "synchronous") == synchronous
            assert (await pragma(session, "wal_autocheckpoint") > 0) == durable
            await session.execute(text("INSERT INTO rows VALUES (2)"))
        assert on_threads == ["commit"] * durable
    with closing(sqlite3.connect(tmp_path / "some.db")) as other:
        assert other.execute("SELECT count(*) FROM rows WHERE number = 2").fetchone() == (4,)
    await database.close()


async def test_a_commit_of_postgresql_waits_for_the_disk_if_it_is_durable(postgres):
    """The setting holds for one transaction."""
    url = postgres.database(f"test_{secrets.token_hex(4)}")
    database = Database(f"{url}{'&' if '?' in url else '?'}options=-csynchronous_commit%3Don")
    for durable in (True, False, True):
        async with database.writing(durable=durable) as session:
            waits = await session.execute(text("SHOW synchronous_commit"))
            assert waits.scalar_one() == ("on" if durable else "off")
    await database.close()


@pytest.mark.parametrize("code", ["25006", "25P03"])
async def test_a_primary_that_becomes_a_standby_is_waited_for(postgres, code):
    """Work that must be written is done over a new connection, which another server may answer."""
    database = Database(postgres.database(f"test_{secrets.token_hex(4)}"))
    failures = [f"DO $$ BEGIN RAISE EXCEPTION 'a failover' USING ERRCODE = '{code}'; END $$"]
    backends = []

    async def work():
        async with database.writing() as session:
            backends.append((await session.execute(text("SELECT pg_backend_pid()"))).scalar_one())
            if failures:
                await session.execute(text(failures.pop()))

    await patiently(work)
    assert len(set(backends)) == 2
    await database.close()


def test_a_url_is_read_or_refused_without_its_password():
    """Hosts of PostgreSQL give `postgres://`, lists of hosts and options for poolers."""
    assert database_url("postgres://u:s3cret@host/shop").drivername == "postgresql+psycopg"
    assert database_url("postgresql://host/shop").query["connect_timeout"] == "5"
    assert database_url("postgresql://host/shop?connect_timeout=9").query["connect_timeout"] == "9"
    for url in (
        "mysql://u:s3cret@host/shop",
        "postgresql://u:s3cret@a:5432,b:5432/shop",
        "postgresql://u:s3cret@a:port/shop",
        "u:s3cret@host/shop",
        "postgresql://u:s3cret@host/shop?prepare_threshold=never",
    ):
        with pytest.raises(BadSettings) as raised:
            database_url(url)
        assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(("threshold", "prepared"), [("none", 0), ("0", 1)])
async def test_a_pooler_of_transactions_gets_no_prepared_statements(postgres, threshold, prepared):
    """`prepare_threshold` of the URL is the driver's."""
    url = postgres.database(f"test_{secrets.token_hex(4)}")
    database = Database(f"{url}{'&' if '?' in url else '?'}prepare_threshold={threshold}")
    count = text("SELECT count(*) FROM pg_prepared_statements")
    assert await database.read(lambda session: [session.scalar(count) for _ in range(2)][1]) == prepared
    await database.close()


async def test_another_processs_writer_is_waited_for_in_the_thread(tmp_path, on_threads):
    """The event loop goes on meanwhile; the wait is as long as before for later waits too."""
    database = Database(f"sqlite:///{tmp_path}/some.db")
    await write(database)
    with closing(sqlite3.connect(tmp_path / "some.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        del on_threads[:]
        writing = asyncio.create_task(write(database))
        while not on_threads:
            await asyncio.sleep(0.01)
        assert not writing.done()
        other.execute("COMMIT")
    await asyncio.wait_for(writing, 20)
    assert on_threads == ["execute", "commit"]
    async with database.writing() as session:
        assert await pragma(session, "busy_timeout") == 30_000
    await database.close()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY])
async def test_a_log_that_is_recovered_after_a_kill_is_waited_for(tmp_path, monkeypatch, on_threads, code):
    """SQLite has several codes for being busy; the thread waits at each."""
    database, execute = Database(f"sqlite:///{tmp_path}/some.db"), sqlite._without_waiting
    await write(database)

    def busy(connection, fn, *args):
        error = sqlite3.OperationalError("database is locked")
        error.sqlite_errorcode = code

        def raising(*_):
            raise error

        return execute(connection, raising, *args)

    monkeypatch.setattr(sqlite, "_without_waiting", busy)
    del on_threads[:]
    await write(database)
    assert on_threads == ["execute", "commit"]
    await database.close()


async def test_writers_of_a_process_take_turns_in_their_order(tmp_path, on_threads):
    """None of them asks SQLite while another one writes: its waits grow, and have no order."""
    database, order = Database(f"sqlite:///{tmp_path}/some.db"), []
    await write(database)
    del on_threads[:]

    async def one(number):
        async with database.writing() as session:
            await session.execute(text("INSERT INTO rows VALUES (3)"))
            order.append(number)
            await asyncio.sleep(0.01)

    await asyncio.gather(*(one(number) for number in range(6)))
    assert order == list(range(6))
    assert set(on_threads) <= {"commit", "connect", "<lambda>"}
    await database.close()


async def test_the_version_tells_of_every_write(tmp_path, made):
    """Of this process and of others; reading changes nothing, and a closed database knows none."""
    database = Database(f"sqlite:///{tmp_path}/some.db")
    await write(database)
    versions = [database.version()]
    await read(database)
    assert database.version() == versions[0]
    await write(database)
    versions.append(database.version())
    with closing(sqlite3.connect(tmp_path / "some.db")) as other, other:
        other.execute("INSERT INTO rows VALUES (4)")
    versions.append(database.version())
    assert len(set(versions)) == 3
    await database.close()
    assert database.version() is None
    assert await ended(made)
