"""What `vitrine gateway` refuses is one line that names the rule, and changes nothing."""

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from vitrine.command import build_parser, main
from vitrine_gateway import command
from vitrine_gateway.command_actions import ACTIONS


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["key", "--account", "new", "--days", "nan"], "days must be above 0"),
        (["key", "--account", "new", "--days", "-1"], "days must be above 0"),
        (["key", "--account", "new", "--days", "1e300"], "at most 36,500"),
        (["key", "--account", "new", "--credits", "99999999999999999999"], "credits must be at most"),
        (["credits", "--account", "shop", "--add", "999999999999999"], "it would have 1000000000000004"),
        (["migrate", "--revision", "nonsense"], "revision must be one of this gateway's, got 'nonsense'"),
        (["migrate", "--revision=-99"], "revision must be one of this gateway's, got '-99'"),
    ],
)
def test_a_refused_command_is_one_line(shop_key, capsys, options, says):
    """No traceback, and no account or key is made."""
    assert shop_key
    assert main(["gateway", *options]) == 1
    told = capsys.readouterr().err
    assert says in told
    assert "Traceback" not in told
    assert main(["gateway", "credits", "--account", "new"]) == 1
    assert main(["gateway", "credits", "--account", "shop"]) == 0
    assert capsys.readouterr().out.startswith("shop: 5 credits")


@pytest.mark.parametrize(
    "options",
    [
        ["credits", "--account", "shop", "--credits", "50"],
        ["key", "--account", "shop", "--add", "50"],
        ["migrate", "--file", "shop.backup", "--replace"],
        ["worker", "--credits", "5"],
        ["--account=shop"],
        ["key"],
        ["credits"],
        ["revoke"],
        ["backup"],
        ["restore"],
    ],
)
def test_an_action_takes_its_own_options_alone(shop_key, capsys, options):
    """An option of another action is refused, and so is an action without what it needs."""
    assert shop_key
    with pytest.raises(SystemExit) as ended:
        main(["gateway", *options])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "unrecognized arguments: --" in told or "the following arguments are required: --" in told


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_an_action_has_help_and_examples_of_its_own(capsys, action):
    """`vitrine gateway ACTION --help` shows its usage and its examples, which are commands that it takes."""
    with pytest.raises(SystemExit) as ended:
        main(["gateway", action.name, "--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert told.startswith(f"usage: vitrine gateway {action.name} ")
    examples = re.findall(r"^  .*?vitrine gateway(.*?)(?:   .*)?$", told.partition("examples:")[2], re.M)
    parser = build_parser({"gateway": "vitrine_gateway.command"})
    assert [parser.parse_args(["gateway", *one.split()]).action for one in examples] == (
        [action.name] * len(examples)
    )
    assert examples


@pytest.mark.parametrize("options", [["key"], ["credits", "--add=1"]])
def test_a_database_that_cannot_be_written_is_one_line(shop_key, capsys, monkeypatch, options):
    """A full disk, or a file without rights: the reason, and no traceback."""
    connect = sqlite3.connect

    def read_only(path, *arguments, **more):
        connection = connect(path, *arguments, **more)
        connection.execute("PRAGMA query_only = ON").fetchall()
        return connection

    monkeypatch.setattr("vitrine_gateway.database.sqlite.sqlite3.connect", read_only)
    assert main(["gateway", *options, "--account", "shop"]) == 1
    assert capsys.readouterr().err.startswith("vitrine gateway: unavailable: the database cannot be used: ")


def test_a_backup_that_cannot_be_written_is_one_line(shop_key, capsys, monkeypatch, tmp_path):
    """A disk that is full."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vitrine_gateway.backup._copy_sqlite", full)
    assert main(["gateway", "backup", "--file", str(tmp_path / "shop.backup")]) == 1
    assert "No space left on device" in capsys.readouterr().err


def test_a_postgresql_database_must_keep_every_text_and_allow_its_tables(postgres, capsys, monkeypatch):
    """Another encoding than UTF8, and a database that may not be written, are told at the start."""
    with psycopg.connect(postgres.database("odd"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        connection.execute("CREATE DATABASE fixed")
        connection.execute("ALTER DATABASE fixed SET default_transaction_read_only = on")
    for name, told in (("latin", "must have the encoding UTF8, it has LATIN1"), ("fixed", "read-only")):
        monkeypatch.setenv("GATEWAY_DATABASE", f"{postgres.url}/{name}")
        assert main(["gateway", "key", "--account", "가게"]) == 1
        said = capsys.readouterr().err
        assert said.startswith("vitrine gateway: bad settings: the database ")
        assert told in said


@pytest.mark.parametrize(
    ("action", "ended_by"),
    [
        ("worker", signal.SIGTERM),
        ("worker", signal.SIGHUP),
        ("mcp", signal.SIGINT),
        ("serve", signal.SIGTERM),
        ("serve", signal.SIGINT),
        ("serve", signal.SIGHUP),
    ],
)
def test_a_signal_ends_a_process_that_runs_jobs(shop_key, action, ended_by):
    """It gives back what it holds and says that it has left, although nobody writes to the stdin of `mcp`."""
    data = Path(os.environ["GATEWAY_DATA"])
    script = Path(__file__).with_name("mcp_process.py")
    process = subprocess.Popen(
        [sys.executable, script, action],
        env={**os.environ, "GATEWAY_KEY": shop_key, "GATEWAY_PORT": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        until = time.monotonic() + 60
        while not workers_of(data) and time.monotonic() < until and process.poll() is None:
            time.sleep(0.05)
        assert len(workers_of(data)) == 1
        process.send_signal(ended_by)
        assert process.wait(20) == 0
        assert workers_of(data) == []
    finally:
        process.kill()
        process.communicate()


def test_a_signal_ends_a_process_that_waits_for_its_database(tmp_path):
    """It says what it waits for, does not say that it serves, and ends without a traceback."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("mcp_process.py"), "serve"],
        env={**os.environ, "GATEWAY_DATABASE": "postgresql://u:s3cret@127.0.0.1:1/shop"},
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        told = process.stderr.readline()
        assert "the database is away; it is waited for" in told
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        told += process.stderr.read()
    finally:
        process.kill()
        process.communicate()
    for word in ("serves", "Traceback", "never awaited", "s3cret"):
        assert word not in told


SLOW_TO_CLOSE = """
import asyncio, time
from vitrine_gateway.serving import until_stopped

async def work():
    try:
        print("runs", flush=True)
        await asyncio.sleep(600)
    finally:
        await asyncio.to_thread(time.sleep, 600)

until_stopped(work)
"""


def test_a_second_ctrl_c_ends_a_process_that_cannot_close():
    """Further signals of other kinds, and a Ctrl-C that is passed on twice, do not interrupt the closing."""
    process = subprocess.Popen([sys.executable, "-c", SLOW_TO_CLOSE], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "runs\n"
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process.send_signal(number)
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
        assert process.wait(1) == 128 + signal.SIGINT
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("DATA", "file", "the database's folder cannot be made: "),
        ("PICTURES", "ftp://shop", "GATEWAY_PICTURES: "),
        ("DATABASE", "mysql://u:s3cret@host/shop", "the database must be sqlite"),
    ],
)
def test_a_setting_that_is_refused_at_the_start_is_one_line(monkeypatch, capsys, tmp_path, name, value, says):
    """It is neither a traceback nor a line of the log, and what was opened is closed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(f"GATEWAY_{name}", value)
    monkeypatch.setattr(command, "set_up_logs", lambda form: None)
    for action in ("serve", "worker"):
        assert main(["gateway", action]) == 1
        told = capsys.readouterr().err
        assert told.startswith("vitrine gateway: ")
        assert says in told
        assert told.count("\n") == 1


def workers_of(data):
    """The workers that the database knows."""
    with contextlib.closing(sqlite3.connect(data / "gateway.db")) as database:
        return database.execute("SELECT name FROM workers").fetchall()
