"""Saves the gateway's database in one file while the gateway serves, and brings it back.

SQLite is copied by its own online backup, PostgreSQL by pg_dump and pg_restore, which must be installed. The
pictures are not in the file: they are in the data folder or in the object store.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, delete, func, inspect, select, text, update
from sqlalchemy.exc import OperationalError
from vitrine.errors import BadRequest, Unavailable, one_line

from vitrine_gateway.database.connections import configure, database_url
from vitrine_gateway.database.migrate import is_known, migrate
from vitrine_gateway.database.tables import Account, Job, Table, WorkerProcess

REVISION = "alembic_version"  # the table that alembic keeps
AS_USER = ("--no-owner", "--no-privileges")  # the tables belong to whoever restores them
SET_ASIDE = "vitrine_replaced"  # the schema that holds the old tables of PostgreSQL during a restore


def backup(url: str, to: Path, replace: bool = False) -> None:
    """Save the database into the file `to`, as it is at one moment. Writers go on meanwhile.

    The file holds secrets, so that its owner alone may read it. Raises BadRequest if it is there and may not
    be replaced, and Unavailable for a database that cannot be read.
    """
    if to.exists() and not replace:
        raise BadRequest(f"{to} is there already; --replace overwrites it")
    if not to.absolute().parent.is_dir():
        raise BadRequest(f"{to.absolute().parent} is no folder")
    if _is_sqlite(url) and not _file_of(url).is_file():
        raise BadRequest(f"there is no database {_file_of(url)}: GATEWAY_DATA names its folder")
    with _reachable(url) as connection:
        if not inspect(connection).has_table(REVISION):
            raise BadRequest("the database holds no gateway's tables: nothing to save")
    part = to.with_name(f"{to.name}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        if _is_sqlite(url):
            _copy_sqlite(_file_of(url), part)
        else:
            tables = [f"--table=public.{name}" for name in _tables()]
            form = ("--format=custom", f"--file={part}")
            _run("pg_dump", *form, *AS_USER, *tables, url=url)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(to)
    finally:
        part.unlink(missing_ok=True)


def restore(url: str, source: Path, lease_s: float, replace: bool = False) -> None:
    """Make the database what it was when `source` was saved, and bring it to the newest form of the tables.

    If something fails, the database stays as it was. A gateway must not run meanwhile: one whose worker was
    seen within `lease_s` seconds is noticed. Raises BadRequest for a file that is no such backup, a database
    that holds accounts (unless `replace`), and a gateway that runs.
    """
    if not source.is_file():
        raise BadRequest(f"{source} is no file")
    with _reachable(url) as connection:
        _check_target(connection, lease_s, replace)
    if _is_sqlite(url):
        _restore_sqlite(_file_of(url), source)
    else:
        _restore_postgresql(url, source)


def _check_target(connection: Connection, lease_s: float, replace: bool) -> None:
    """Raise BadRequest if the database is in use, or holds accounts that may not be replaced."""
    tables = set(inspect(connection).get_table_names())
    if WorkerProcess.__tablename__ in tables:
        seen = select(WorkerProcess.name).where(WorkerProcess.seen_at > time.time() - lease_s)
        if names := list(connection.scalars(seen)):
            raise BadRequest(
                f"a gateway uses the database ({', '.join(names)}): stop it; if it was killed, it is "
                f"forgotten after {lease_s:g} s"
            )
    if Account.__tablename__ in tables and not replace:
        accounts = connection.scalar(select(func.count()).select_from(Account))
        if accounts:
            raise BadRequest(
                f"the database holds {accounts} account(s); --replace puts the backup in their place"
            )


def _copy_sqlite(source: Path, to: Path) -> None:
    """Copy a database that may be in use into a file that needs no other one beside it."""
    with (
        closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(to)) as copy,
    ):
        reading.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        (sound,) = copy.execute("PRAGMA quick_check").fetchone()
    if sound != "ok":
        raise Unavailable(f"{source} is damaged: {sound}")


def _restore_sqlite(file: Path, source: Path) -> None:
    """Write a checked copy of the backup, in its newest form, over the database, in one transaction."""
    _check_sqlite(source)
    part = file.with_name(f"{file.name}.part")
    try:
        shutil.copyfile(source, part)
        part.chmod(0o600)
        migrate(f"sqlite:///{part}")
        _forget_workers(f"sqlite:///{part}")
        with closing(sqlite3.connect(part)) as copy, closing(sqlite3.connect(file)) as database:
            copy.backup(database)
    finally:
        for ending in ("", "-wal", "-shm"):
            file.with_name(f"{part.name}{ending}").unlink(missing_ok=True)


def _check_sqlite(source: Path) -> None:
    """Raise BadRequest if the file is not a whole SQLite database of a gateway whose form is known."""
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro&immutable=1", uri=True)) as saved:
            (sound,) = saved.execute("PRAGMA integrity_check").fetchone()
            revisions = [one for (one,) in saved.execute(f"SELECT version_num FROM {REVISION}")]
    except sqlite3.DatabaseError as error:
        raise BadRequest(f"{source} is no backup of a gateway's SQLite database: {error}") from error
    if sound != "ok":
        raise BadRequest(f"{source} is damaged: {sound}")
    _check_revisions(source, revisions)


def _check_revisions(source: Path, revisions: Sequence[str]) -> None:
    if not all(map(is_known, revisions)):
        raise BadRequest(
            f"{source} was saved by a newer gateway: its tables have the form {', '.join(revisions)}"
        )


def _restore_postgresql(url: str, source: Path) -> None:
    """Set the present tables aside, read the backup, and drop them; if that fails, put them back."""
    _check_archive(source)
    engine = create_engine(database_url(url))
    try:
        with engine.begin() as connection:
            _put_back(connection)  # of an earlier restore that was interrupted
            connection.execute(text(f"CREATE SCHEMA {SET_ASIDE}"))
            _move(connection, "public", SET_ASIDE)
        try:
            _run("pg_restore", "--single-transaction", *AS_USER, str(source), url=url)
            with engine.connect() as connection:
                revisions = list(connection.scalars(text(f"SELECT version_num FROM {REVISION}")))
            _check_revisions(source, revisions)
            migrate(url)
            _forget_workers(url)
        except BaseException:
            with engine.begin() as connection:
                _put_back(connection)
            raise
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {SET_ASIDE} CASCADE"))
    finally:
        engine.dispose()


def _forget_workers(url: str) -> None:
    """End the leases of the moment of the backup: their workers are gone, and their jobs can run at once."""
    with _reachable(url) as connection, connection.begin():
        connection.execute(update(Job).where(Job.lease_until.is_not(None)).values(lease_until=0.0))
        connection.execute(delete(WorkerProcess))


def _check_archive(source: Path) -> None:
    """Raise BadRequest if the file is no archive of pg_dump with a gateway's tables."""
    try:
        listed = _run("pg_restore", "--list", str(source))
    except Unavailable as error:
        raise BadRequest(f"{source} is no backup of a gateway's PostgreSQL database: {error}") from error
    if f"TABLE DATA public {REVISION} " not in listed:
        raise BadRequest(f"{source} holds no gateway's tables")


def _put_back(connection: Connection) -> None:
    """Bring the tables that were set aside back in the place of the present ones, if there are any."""
    if SET_ASIDE not in inspect(connection).get_schema_names():
        return
    for name in _present(connection, "public"):
        connection.execute(text(f'DROP TABLE public."{name}" CASCADE'))
    _move(connection, SET_ASIDE, "public")
    connection.execute(text(f"DROP SCHEMA {SET_ASIDE}"))


def _move(connection: Connection, before: str, after: str) -> None:
    for name in _present(connection, before):
        connection.execute(text(f'ALTER TABLE {before}."{name}" SET SCHEMA {after}'))


def _present(connection: Connection, schema: str) -> list[str]:
    """Return the gateway's tables that are in a schema."""
    there = set(inspect(connection).get_table_names(schema))
    return [name for name in _tables() if name in there]


def _tables() -> list[str]:
    return [*Table.metadata.tables, REVISION]


def _run(program: str, *arguments: str, url: str = "") -> str:
    """Return what one of PostgreSQL's programs prints; Unavailable with what it says if it fails.

    With `url` it connects to that database. The password goes by the environment, because every user of the
    machine can see arguments.
    """
    found = shutil.which(program)
    if found is None:
        raise Unavailable(f"{program} is not installed (Debian: postgresql-client)")
    command, environment = [found], dict(os.environ)
    if url:
        parts = database_url(url).set(drivername="postgresql")
        command.append(f"--dbname={parts.set(password=None).render_as_string()}")
        if parts.password is not None:
            environment["PGPASSWORD"] = str(parts.password)
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unavailable(f"{program} failed: {' '.join(done.stderr.split())}")
    return done.stdout


@contextmanager
def _reachable(url: str) -> Iterator[Connection]:
    """A connection; Unavailable for a database that cannot be used."""
    engine = create_engine(database_url(url))
    configure(engine)
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        raise Unavailable(f"the database cannot be used: {one_line(error)}") from error
    finally:
        engine.dispose()


def _is_sqlite(url: str) -> bool:
    return database_url(url).get_backend_name() == "sqlite"


def _file_of(url: str) -> Path:
    return Path(database_url(url).database or "")
