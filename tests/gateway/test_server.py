"""The gateway as people run it: settings, commands, migrations, and a real server on loopback."""

import base64
import json
import re
import secrets
import socket
import sqlite3
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import OperationalError
from vitrine.command import main
from vitrine_gateway.database.connections import database_url
from vitrine_gateway.database.migrate import migrate
from vitrine_gateway.database.tables import Table
from vitrine_gateway.errors import BadSettings
from vitrine_gateway.settings import Settings
from vitrine_gateway.up import triton


@pytest.mark.databases
def test_the_migrations_give_the_tables_and_take_them_back(database, tmp_path):
    """Head is what the code's tables are; base has none; and forward again."""
    url = database or f"sqlite:///{tmp_path / 'gateway.db'}"
    engine = sqlalchemy.create_engine(database_url(url))
    for _ in range(2):
        migrate(url)
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []
        migrate(url, "base")
        assert sqlalchemy.inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


@pytest.mark.databases
def test_a_named_revision_is_reached_from_both_sides(database, tmp_path):
    """Forward or back, as the present form asks; a newer gateway's form is named and left as it is."""
    url = database or f"sqlite:///{tmp_path / 'gateway.db'}"
    engine = sqlalchemy.create_engine(database_url(url))
    for revision in ("0003", "0005", "0005", "0004"):
        migrate(url, revision)
        with engine.connect() as connection:
            assert MigrationContext.configure(connection).get_current_revision() == revision
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '0099'"))
    for revision in ("head", "0003", "-1"):
        with pytest.raises(BadSettings, match="has the form 0099 of a newer gateway"):
            migrate(url, revision)
    engine.dispose()


def test_an_option_that_the_driver_does_not_know_is_named(postgres):
    """It is no matter of the tables."""
    url = postgres.database(f"test_{secrets.token_hex(4)}")
    with pytest.raises(BadSettings, match=r'address is refused: .*"ssl"'):
        migrate(f"{url}{'&' if '?' in url else '?'}ssl=disable")


def test_processes_that_start_together_take_turns_with_the_migration(tmp_path):
    """The later one waits for the earlier one and finds nothing left to do; neither sees a locked file."""
    url = f"sqlite:///{tmp_path / 'gateway.db'}"
    migrate(url, "base")
    with closing(sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as threads:
            later = threads.submit(migrate, url)
            time.sleep(0.3)  # it reads which revision there is, unless it waits before that
            other.execute("CREATE TABLE of_the_earlier_one (number INTEGER)")
            other.execute("COMMIT")
            later.result(30)


def test_settings_are_checked():
    """A misspelt name and a bad value stop the start; the variables of a Kubernetes Service do not."""
    with pytest.raises(BadSettings, match="GATEWAY_PROT"):
        Settings.from_environment({"GATEWAY_PROT": "80"})
    with pytest.raises(BadSettings, match="GATEWAY_PORT"):
        Settings.from_environment({"GATEWAY_PORT": "http"})
    links = {"GATEWAY_PORT": "tcp://10.0.0.1:80", "GATEWAY_SERVICE_HOST": "10.0.0.1"}
    empty = Settings.from_environment({"GATEWAY_DATA": "", "GATEWAY_PORT": "", "GATEWAY_RATE_JOBS": ""})
    assert (str(empty.data), empty.port, empty.rate_jobs) == ("vitrine-data", 8080, "")
    links["GATEWAY_PORT_9_SCTP_ADDR"] = "10.0.0.1"
    assert Settings.from_environment(links).port == 8080
    for name, value in (
        ("UPLOAD_HOURS", "inf"),
        ("RESULT_HOURS", "1e8"),
        ("IDEMPOTENCY_HOURS", "1e300"),
        ("LINK_S", "1000000000000"),
        ("LEASE_S", "nan"),
        ("JOB_TIMEOUT_S", "inf"),
        ("TRACES", "collector:4318"),
        ("TRITON", "http://host:8000"),
        ("TRITON", "HTTPS://host:8000"),
        ("TRITON_METRICS", "localhost:8002/metrics"),
    ):
        with pytest.raises(BadSettings, match=f"GATEWAY_{name}"):
            Settings.from_environment({f"GATEWAY_{name}": value})
    lines = {"GATEWAY_TRITON": "host:8001\n", "GATEWAY_DATA": " shop\n", "GATEWAY_KEY": "vt_live_x\n"}
    read = Settings.from_environment(lines)  # what `echo` writes into a secret
    assert (read.triton, str(read.data), read.key) == ("host:8001", "shop", "vt_live_x")
    with pytest.raises(BadSettings, match="mysql"):
        database_url("mysql://host/name")


def call(address, key, path, body=None):
    """The open answer of a request with a key."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(address + path, data, headers), timeout=30)


def test_a_real_server_streams_events_as_they_come(served, person, garment):
    """Over a real connection the first events arrive before the job has ended; the picture is linked."""
    address, key = served
    inputs = {"person": base64.b64encode(person).decode(), "garment": base64.b64encode(garment).decode()}
    with call(address, key, "/v1/jobs", {"inputs": inputs}) as answer:
        job = json.load(answer)
    with call(address, key, f"/v1/jobs/{job['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        first = stream.readline()
        with call(address, key, f"/v1/jobs/{job['id']}") as answer:
            assert json.load(answer)["status"] in ("queued", "running")
        kinds = re.findall(r"^event: (\w+)", (first + stream.read()).decode(), re.MULTILINE)
    assert (kinds[0], kinds[-1]) == ("queued", "succeeded")
    with call(address, key, f"/v1/jobs/{job['id']}/result") as answer:
        assert json.load(answer)["image"]["url"].startswith(address)


def test_health_metrics_and_headers(served):
    """Ready with the fake; metrics name routes, not paths; every answer has the headers of safety."""
    address, key = served
    with call(address, key, "/readyz") as answer:
        assert json.load(answer) == {"status": "ok", "database": "ok", "triton": "ok"}
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-request-id"]
    with call(address, key, "/metrics") as answer:
        text = answer.read().decode()
    assert 'gateway_requests_total{method="GET",route="/readyz",status="200"} 1.0' in text


async def test_metrics_are_told_without_the_database_and_name_no_invented_method(start, monkeypatch):
    """The series of requests are few, and a database that is away takes only the number of waiting jobs."""

    @asynccontextmanager
    async def away():
        raise OperationalError("SELECT", {}, Exception("away"))
        yield

    async with start(workers=0) as gateway:
        client = gateway.client()
        for method in ("BREW", "WHEN"):
            await client.request(method, "/healthz")
        monkeypatch.setattr(type(gateway.parts.database), "reading", lambda _: away())
        answer = await client.get("/metrics")
        assert (await client.get("/readyz")).json()["database"] == "OperationalError"
    assert answer.status_code == 200
    assert "gateway_queued NaN" in answer.text
    assert 'method="other"' in answer.text
    assert "BREW" not in answer.text


def test_the_command_manages_credits_and_keys(served, capsys):
    """Credits can be added, and a revoked key no longer works."""
    address, key = served
    assert main(["gateway", "credits", "--account", "shop", "--add", "3"]) == 0
    assert capsys.readouterr().out.startswith("shop: 8 credits")
    assert main(["gateway", "revoke", "--key", key.split("_")[2]]) == 0
    with pytest.raises(urllib.request.HTTPError, match="401"):
        call(address, key, "/v1/credits")
    assert main(["gateway", "credits", "--account", "nobody"]) == 1
    assert main(["gateway", "credits", "--account", "shop", "--add", "-99"]) == 1


def test_up_starts_the_server_and_stops_it(tmp_path, monkeypatch, capsys):
    """`vitrine up` reads the addresses from what `vitrine serve` prints, and ends it."""
    fake = tmp_path / "vitrine.py"
    fake.write_text(
        "import signal, sys\nsignal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "try:\n    print('  gRPC     127.0.0.1:9', sys.argv[1:])\n"
        "    print('  metrics  http://127.0.0.1:8/metrics', flush=True)\n    signal.pause()\n"
        "except KeyboardInterrupt:\n    print('stopped', flush=True)\n"  # also right after the first line
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with triton(["--profile", "cuda"]) as addresses:
        assert addresses == {"triton": "127.0.0.1:9", "triton_metrics": "http://127.0.0.1:8/metrics"}
    printed = capsys.readouterr().out
    assert "['serve', '--profile', 'cuda']" in printed
    assert "stopped" in printed


def test_the_gateway_imports_the_client_alone():
    """No module of the gateway imports a package of ours other than the client, and the client not it."""
    root = Path(__file__).parents[2]
    ours = re.compile(r"^\s*(?:from|import) (vitrine(?:_\w+)?)\b", re.MULTILINE)
    for folder, allowed in (("gateway", {"vitrine", "vitrine_gateway"}), ("client", {"vitrine"})):
        for path in (root / folder).rglob("*.py"):
            assert set(ours.findall(path.read_text())) <= allowed, path


def test_a_caller_that_leaves_while_it_sends_is_no_error(served, caplog):
    """A phone that loses its network in the middle of an upload; the log tells of no fault."""
    address, key = served
    host, port = address.removeprefix("http://").split(":")
    head = [
        "POST /v1/jobs HTTP/1.1",
        f"Host: {host}",
        f"Authorization: Bearer {key}",
        "Content-Type: multipart/form-data; boundary=x",
        "Content-Length: 1000000",
    ]
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n--x\r\n")
        time.sleep(0.5)  # the gateway waits for the rest
    left = 'status="499"'
    until = time.monotonic() + 20
    while left not in call(address, key, "/metrics").read().decode() and time.monotonic() < until:
        time.sleep(0.1)
    assert left in call(address, key, "/metrics").read().decode()
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []
