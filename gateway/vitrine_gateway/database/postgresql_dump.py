"""Saves a gateway's tables of PostgreSQL by pg_dump, and puts them back by pg_restore.

The tables are in the schema that the connection's search_path finds, which need not be `public`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from vitrine.errors import BadRequest, Unavailable

from vitrine_gateway.database.connections import PREPARE, database_url, engine_of
from vitrine_gateway.database.tables import Table

REVISION = "alembic_version"  # the table that alembic keeps
_AS_USER = ("--no-owner", "--no-privileges")  # the tables belong to whoever restores them
_SET_ASIDE = "vitrine_replaced"  # and the schema: where its old tables are during a restore
_SCHEMA = text(
    "SELECT coalesce((SELECT nspname FROM pg_namespace WHERE oid ="
    f" (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('{REVISION}'))), current_schema())"
)


def dump(url: str, to: Path) -> None:
    """Write the gateway's tables into the file `to`."""
    with engine_of(url) as engine, engine.connect() as connection:
        schema = _schema_of(connection)
    tables = [f'--table="{schema}"."{name}"' for name in _tables()]
    _run("pg_dump", "--format=custom", f"--file={to}", *_AS_USER, *tables, url=url)


@contextmanager
def loaded(url: str, source: Path) -> Iterator[list[str]]:
    """Set the present tables aside and read those of the file; give the revisions of their form.

    At the end of the block the tables that were set aside are dropped; if it or the reading fails, they are
    put back. Raises BadRequest for a file that is no such dump.
    """
    saved_in = _schema_in(source)
    with engine_of(url) as engine:
        with engine.begin() as connection:
            schema = _schema_of(connection)
            aside = f"{_SET_ASIDE}_{schema}"[:63]
            _put_back(connection, aside, schema)  # of an earlier restore that was interrupted
            connection.execute(text(f'CREATE SCHEMA "{aside}"'))
            _move(connection, schema, aside)
            made = _make_room(connection, saved_in)
        try:
            _run("pg_restore", "--single-transaction", *_AS_USER, str(source), url=url)
            yield _taken_over(engine, saved_in, schema)
        except BaseException:
            with engine.begin() as connection:
                if saved_in != schema:
                    _drop(connection, saved_in)
                _put_back(connection, aside, schema)
            raise
        finally:
            if made:
                with engine.begin() as connection:
                    connection.execute(text(f'DROP SCHEMA "{saved_in}"'))
        with engine.begin() as connection:
            connection.execute(text(f'DROP SCHEMA "{aside}" CASCADE'))


def _schema_of(connection: Connection) -> str:
    """Return the schema of the gateway's tables, or the one where they would be made."""
    schema = connection.scalar(_SCHEMA)
    if schema is None:
        raise BadRequest("the database has no schema that its search_path names")
    return str(schema)


def _schema_in(source: Path) -> str:
    """Return the schema of a dump's tables. Raises BadRequest for a file that is none with a gateway's."""
    try:
        listed = _run("pg_restore", "--list", str(source))
    except Unavailable as error:
        raise BadRequest(f"{source} is no backup of a gateway's PostgreSQL database: {error}") from error
    found = re.search(rf" TABLE DATA (.+) {REVISION} ", listed)
    if found is None:
        raise BadRequest(f"{source} holds no gateway's tables")
    return found[1]


def _make_room(connection: Connection, schema: str) -> bool:
    """Make the schema that pg_restore writes into; return whether it was not there.

    Raises BadRequest if it holds tables of another gateway.
    """
    if present := _present(connection, schema):
        raise BadRequest(
            f"the backup is of the schema {schema}, where another gateway has tables: {', '.join(present)}"
        )
    if schema in inspect(connection).get_schema_names():
        return False
    connection.execute(text(f'CREATE SCHEMA "{schema}"'))
    return True


def _taken_over(engine: Engine, before: str, schema: str) -> list[str]:
    """Move what pg_restore has written into the gateway's own schema; return the revisions of its form."""
    with engine.begin() as connection:
        if before != schema:
            _move(connection, before, schema)
        return list(connection.scalars(text(f'SELECT version_num FROM "{schema}".{REVISION}')))


def _put_back(connection: Connection, aside: str, schema: str) -> None:
    """Bring the tables that were set aside back in the place of the present ones, if there are any."""
    if aside not in inspect(connection).get_schema_names():
        return
    _drop(connection, schema)
    _move(connection, aside, schema)
    connection.execute(text(f'DROP SCHEMA "{aside}"'))


def _drop(connection: Connection, schema: str) -> None:
    for name in _present(connection, schema):
        connection.execute(text(f'DROP TABLE "{schema}"."{name}" CASCADE'))


def _move(connection: Connection, before: str, after: str) -> None:
    for name in _present(connection, before):
        connection.execute(text(f'ALTER TABLE "{before}"."{name}" SET SCHEMA "{after}"'))


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
        parts = database_url(url).set(drivername="postgresql").difference_update_query([PREPARE])
        command.append(f"--dbname={parts.set(password=None).render_as_string()}")
        if parts.password is not None:
            environment["PGPASSWORD"] = str(parts.password)
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Unavailable(f"{program} failed: {' '.join(done.stderr.split())}")
    return done.stdout
