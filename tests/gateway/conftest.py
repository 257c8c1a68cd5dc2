"""A gateway in the test's own process: SQLite, a local folder, and the client's fake in place of a server.

Tests with the mark `databases` run on PostgreSQL too, where it is installed.
"""

import secrets
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from vitrine import AsyncVitrine, Retry
from vitrine.command import main
from vitrine_gateway.app import create_app
from vitrine_gateway.settings import Settings
from vitrine_measure.gateway_soak.postgresql import INITDB, PostgreSQL

sys.path.insert(0, str(Path(__file__).parents[1]))  # the modules that several folders use
sys.path.insert(0, str(Path(__file__).parent))  # the modules that the tests share

from gateway_in_process import Running, SlowFake, serving
from noise_pictures import picture


def pytest_configure(config):
    """Register the mark."""
    config.addinivalue_line("markers", "databases: the test runs on SQLite and on PostgreSQL")


def pytest_generate_tests(metafunc):
    """Run the tests with the mark on both databases."""
    if "database" in metafunc.fixturenames and metafunc.definition.get_closest_marker("databases"):
        metafunc.parametrize("database", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server."""
    if INITDB is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with PostgreSQL("synchronous_commit=off") as server:
        yield server


@pytest.fixture
def database(request):
    """The URL of an empty database: "" for the SQLite file of the gateway's folder."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return ""
    return request.getfixturevalue("postgres").database(f"test_{secrets.token_hex(4)}")


@pytest.fixture
def start(tmp_path, database):
    """Start a gateway: `async with start(workers=0) as gateway`."""

    @asynccontextmanager
    async def started(transport=None, **values):
        transport = transport or SlowFake()
        chosen = {"data": tmp_path / "data", "poll_s": 0.02, "workers": 2, "database": database}
        settings = Settings.of(**(chosen | values))
        client = AsyncVitrine(transport=transport, retry=Retry(tries=1))
        app = create_app(settings, lambda _: client)
        async with app.router.lifespan_context(app):
            running = Running(app, transport)
            try:
                yield running
            finally:
                for one in running.clients:
                    await one.aclose()

    return started


@pytest.fixture
async def gateway(start):
    """A running gateway with two workers."""
    async with start() as running:
        yield running


@pytest.fixture
async def shop(gateway):
    """A client of the account "shop", which has CREDITS credits."""
    return await gateway.account()


@pytest.fixture
def shop_key(tmp_path, monkeypatch, capsys):
    """A key of the account "shop" with 5 credits, made by the command; GATEWAY_DATA names its database."""
    monkeypatch.setenv("GATEWAY_DATA", str(tmp_path / "data"))
    assert main(["gateway", "key", "--account", "shop", "--credits", "5"]) == 0
    return capsys.readouterr().out.strip()


@pytest.fixture
def served(shop_key):
    """(address, key) of a real server on loopback with the client's fake."""
    with serving(SlowFake(0.05)) as address:
        yield address, shop_key


@pytest.fixture(scope="session")
def person():
    """The encoded picture of a person."""
    return picture(1)


@pytest.fixture(scope="session")
def garment():
    """The encoded picture of a garment."""
    return picture(2)


@pytest.fixture
def form(person, garment):
    """The files of a try-on's form."""
    return {"person": ("me.png", person, "image/png"), "garment": ("coat.png", garment, "image/png")}
