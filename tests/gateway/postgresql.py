"""A PostgreSQL for tests: Debian's package, on a free port of loopback, in a folder that is thrown away."""

import os
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
from vitrine_orchestrator.embedded.ports import free_port

PLACES = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
INITDB = shutil.which("initdb", path=os.pathsep.join([*PLACES, os.environ.get("PATH", "")]))
NOBODY = 65534
FASTER = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


@contextmanager
def server():
    """Start PostgreSQL; give the URL of its server, without a database.

    Its folder is not in pytest's, which other users may not enter.
    """
    with tempfile.TemporaryDirectory(prefix="vitrine-postgresql-") as folder:
        yield from _serve(Path(folder))


def _serve(folder):
    as_user = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        os.chown(folder, NOBODY, NOBODY)
        as_user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/", **as_user}
    binary = Path(INITDB).resolve().parent
    data = folder / "data"
    options = ["--auth=trust", "--username=vitrine", "--encoding=UTF8", "--no-sync"]
    subprocess.run([binary / "initdb", "--pgdata", data, *options], check=True, **quiet)
    port = free_port()
    settings = [*FASTER, "listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}"]
    command = [binary / "postgres", "-D", data, *(word for one in settings for word in ("-c", one))]
    process = subprocess.Popen(command, **quiet)
    try:
        _wait(port, process)
        yield f"postgresql://vitrine@127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _wait(port, process):
    until = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < until:
        try:
            psycopg.connect(f"postgresql://vitrine@127.0.0.1:{port}/postgres").close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise RuntimeError("PostgreSQL did not start")
