"""Saves the gateway's database in one file while the gateway serves, and brings it back.

SQLite is copied by its own online backup, PostgreSQL by pg_dump and pg_restore, which must be installed. The
pictures are not in the file: they are in the data folder or in the object store.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, delete, func, inspect, select, update
from sqlalchemy.exc import OperationalError
from vitrine.errors import BadRequest, Unavailable, one_line

from vitrine_gateway.database.connections import database_url, engine_of
from vitrine_gateway.database.migrate import is_known, migrate
from vitrine_gateway.database.postgresql_dump import REVISION, dump, loaded
from vitrine_gateway.database.tables import Account, Job, WorkerProcess


def backup(url: str, to: Path, replace: bool = False) -> None:
    """Save the database into the file `to`, as it is at one moment. Writers go on meanwhile.

    The file holds secrets, so that its owner alone may read it. Raises BadRequest if it is there and may not
    be replaced, and Unavailable for a database that cannot be read.
    """
    _check_is_other(url, to)
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
            dump(url, part)
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
    _check_is_other(url, source)
    with _reachable(url) as connection:
        _check_target(connection, lease_s, replace)
    if _is_sqlite(url):
        _restore_sqlite(_file_of(url), source)
        return
    with loaded(url, source) as revisions:
        _check_revisions(source, revisions)
        migrate(url)
        _forget_workers(url)


def _check_is_other(url: str, file: Path) -> None:
    """Raise BadRequest if the file of a backup is one of the database's own."""
    if not _is_sqlite(url):
        return
    for ending in ("", "-wal", "-shm", ".part"):
        own = _file_of(url).with_name(f"{_file_of(url).name}{ending}")
        same = own.exists() and file.exists() and own.samefile(file)
        if same or own.resolve() == file.resolve():
            raise BadRequest(f"{file} is a file of the database itself: a backup needs one of its own")


def _check_target(connection: Connection, lease_s: float, replace: bool) -> None:
    """Raise BadRequest if the database is in use, or holds accounts that may not be replaced."""
    tables = set(inspect(connection).get_table_names())
    if WorkerProcess.__tablename__ in tables:
        now = time.time()
        seen = select(WorkerProcess.name).where(WorkerProcess.seen_at.between(now - lease_s, now + lease_s))
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
    address = f"{source.absolute().as_uri()}?mode=ro"  # its path may hold what a URI gives another meaning
    with (
        closing(sqlite3.connect(address, uri=True)) as reading,
        closing(sqlite3.connect(to)) as copy,
    ):
        reading.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        (sound,) = copy.execute("PRAGMA quick_check").fetchone()
        (form,) = copy.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (REVISION,)).fetchone()
    if sound != "ok":
        raise Unavailable(f"{source} is damaged: {sound}")
    if not form:
        raise Unavailable(f"the copy of {source} holds no gateway's tables")


def _restore_sqlite(file: Path, source: Path) -> None:
    """Write a checked copy of the backup, in its newest form, over the database, in one transaction."""
    part = file.with_name(f"{file.name}.part")
    copied = URL.create("sqlite", database=str(part)).render_as_string()
    try:
        _remove_with_log(part)  # of a restore that was interrupted
        shutil.copyfile(source, part)
        part.chmod(0o600)
        log = source.with_name(f"{source.name}-wal")
        if log.is_file() and _is_raw(part):
            shutil.copyfile(log, part.with_name(f"{part.name}-wal"))
        _check_sqlite(part, source)
        migrate(copied)
        _forget_workers(copied)
        with closing(sqlite3.connect(part)) as copy, closing(sqlite3.connect(file)) as database:
            copy.backup(database)
    finally:
        _remove_with_log(part)


def _is_raw(file: Path) -> bool:
    """Whether a file of SQLite is a copy of the database itself, whose newest rows are in the log beside it.

    A backup needs no log, which is in the header: https://www.sqlite.org/fileformat2.html#file_format_version_numbers
    """
    with file.open("rb") as opened:
        return opened.read(20)[18:] == b"\2\2"


def _remove_with_log(file: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        file.with_name(f"{file.name}{ending}").unlink(missing_ok=True)


def _check_sqlite(copy: Path, source: Path) -> None:
    """Raise BadRequest if the copy is not a whole SQLite database of a gateway whose form is known."""
    try:
        with closing(sqlite3.connect(copy)) as saved:
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


def _forget_workers(url: str) -> None:
    """End the leases of the moment of the backup: their workers are gone, and their jobs can run at once."""
    with _reachable(url) as connection, connection.begin():
        connection.execute(update(Job).where(Job.lease_until.is_not(None)).values(lease_until=0.0))
        connection.execute(delete(WorkerProcess))


@contextmanager
def _reachable(url: str) -> Iterator[Connection]:
    """A connection; Unavailable for a database that cannot be used."""
    try:
        with engine_of(url) as engine, engine.connect() as connection:
            yield connection
    except OperationalError as error:
        raise Unavailable(f"the database cannot be used: {one_line(error)}") from error


def _is_sqlite(url: str) -> bool:
    return database_url(url).get_backend_name() == "sqlite"


def _file_of(url: str) -> Path:
    return Path(database_url(url).database or "")
