"""Moves a database to a revision of the tables."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from vitrine.errors import BadRequest, Unavailable, one_line

from vitrine_gateway.database.connections import engine_of
from vitrine_gateway.database.sqlite import WRITING
from vitrine_gateway.errors import BadSettings

_LOCK = 0x7617121E  # any number: the same in all gateways


def is_known(revision: str) -> bool:
    """Whether the revision is one of this gateway's: a newer gateway has more."""
    return any(
        script.revision == revision for script in ScriptDirectory.from_config(_config()).walk_revisions()
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def migrate(url: str, revision: str = "head") -> None:
    """Move the database forward or back to `revision`. Two processes may call it at the same time.

    Raises BadRequest for a revision that there is not, BadSettings for a database that does not keep every
    text, refuses the tables or is of a newer gateway, and Unavailable for one that cannot be reached.
    """
    config = _config()
    try:
        with (
            engine_of(url) as engine,
            _connected(engine.execution_options(begin=WRITING)) as connection,
            connection.begin(),
        ):
            if engine.dialect.name == "postgresql":
                _check_encoding(connection)
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            config.attributes["connection"] = connection
            back = _is_back(connection, revision)
            (command.downgrade if back else command.upgrade)(config, revision)
    except CommandError as error:
        raise BadRequest(
            f"revision must be one of this gateway's, got {revision!r}: {one_line(error)}"
        ) from error
    except OperationalError as error:
        raise Unavailable(f"the database cannot be used: {one_line(error)}") from error
    except DBAPIError as error:  # without rights, or read only
        raise BadSettings(f"the database refuses its tables: {one_line(error.orig or error)}") from error


def _connected(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except OperationalError:
        raise
    except DBAPIError as error:  # an option that the driver does not know
        raise BadSettings(f"the database's address is refused: {one_line(error.orig or error)}") from error


def _is_back(connection: Connection, revision: str) -> bool:
    """Whether the revision is before the present one. Raises BadSettings if that is a newer gateway's."""
    forms = [one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()]  # newest first
    present = MigrationContext.configure(connection).get_current_revision()
    if present is not None and present not in forms:
        raise BadSettings(f"the database has the form {present} of a newer gateway")
    if present is None or revision not in forms:
        return revision.startswith("-") or revision == "base"
    return forms.index(revision) > forms.index(present)


def _check_encoding(connection: Connection) -> None:
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        raise BadSettings(f"the database must have the encoding UTF8, it has {encoding}: createdb -E UTF8")
