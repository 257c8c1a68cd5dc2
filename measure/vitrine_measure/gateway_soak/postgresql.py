"""A PostgreSQL that can be killed: Debian's package, on a free port of loopback, in a folder thrown away."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from vitrine_orchestrator.embedded.ports import free_port

PLACES = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
INITDB = shutil.which("initdb", path=os.pathsep.join([*PLACES, os.environ.get("PATH", "")]))
NOBODY = 65534
SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=200")
"""Quick, and safe as long as the machine itself lives: what a process has written outlives the process."""
START_S = 60.0


class PostgreSQL:
    """A server for the duration of a `with` block; `url` has no database. `settings` are further ones."""

    def __init__(self, *settings: str) -> None:
        """Raises RuntimeError where PostgreSQL is not installed."""
        if INITDB is None:
            raise RuntimeError("PostgreSQL is not installed (Debian: postgresql)")
        self._binary = Path(INITDB).resolve().parent
        self._settings = settings

    def __enter__(self) -> PostgreSQL:
        self._folder = tempfile.TemporaryDirectory(prefix="vitrine-postgresql-")
        folder = Path(self._folder.name)
        as_user: dict[str, Any] = {}
        if os.getuid() == 0:  # PostgreSQL refuses to run as root
            os.chown(folder, NOBODY, NOBODY)
            as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self._quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **as_user}
        data = folder / "data"
        options = ["--auth=trust", "--username=vitrine", "--encoding=UTF8", "--no-sync"]
        subprocess.run([self._binary / "initdb", "--pgdata", data, *options], check=True, **self._quiet)
        self._port = free_port()
        chosen = [*SETTINGS, *self._settings, "listen_addresses=127.0.0.1", f"port={self._port}"]
        chosen.append(f"unix_socket_directories={folder}")
        self._command = [str(self._binary / "postgres"), "-D", str(data)]
        self._command += [word for one in chosen for word in ("-c", one)]
        self.url = f"postgresql://vitrine@127.0.0.1:{self._port}"
        self.start()
        return self

    def start(self) -> None:
        """Start the server and wait until it answers. Raises RuntimeError if it does not.

        After a kill its old processes leave by themselves; until then a new server refuses to start.
        """
        until = time.monotonic() + START_S
        self._process = subprocess.Popen(self._command, **self._quiet)
        while time.monotonic() < until:
            if self._process.poll() is not None:
                self._process = subprocess.Popen(self._command, **self._quiet)
            try:
                psycopg.connect(f"{self.url}/postgres").close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start within {START_S:g} s")

    def kill(self) -> None:
        """End the server by SIGKILL."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def database(self, name: str) -> str:
        """Make a database and return its URL."""
        with psycopg.connect(f"{self.url}/postgres", autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.url}/{name}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._folder.cleanup()
