"""A backup is one moment of the database, and a restore brings that moment back or changes nothing."""

import asyncio
import secrets
import shutil
import sqlite3
import stat
from contextlib import closing

import pytest
from sqlalchemy import create_engine, func, select, text
from vitrine.command import main
from vitrine.errors import BadRequest, Unavailable
from vitrine_gateway import backup as backups
from vitrine_gateway.backup import backup, restore
from vitrine_gateway.database.connections import database_url
from vitrine_gateway.database.migrate import migrate
from vitrine_gateway.database.tables import Account, Job, WorkerProcess

LEASE_S = 30.0


@pytest.fixture
def url(start, tmp_path, database):
    """The URL of the gateway's database."""
    return database or f"sqlite:///{tmp_path / 'data' / 'gateway.db'}"


def count(url, table=Account):
    """The rows of a table."""
    engine = create_engine(database_url(url))
    with engine.connect() as connection:
        rows = connection.scalar(select(func.count()).select_from(table))
    engine.dispose()
    return rows


@pytest.mark.databases
async def test_a_database_comes_back_as_it_was_saved(start, form, url, tmp_path):
    """It is saved while jobs run; accounts, keys, credits, results and links are those of that moment."""
    file = tmp_path / "shop.backup"
    async with start() as gateway:
        shop = await gateway.account()
        done = (await shop.post("/v1/jobs", files=form, headers={"Prefer": "wait=30"})).json()
        gateway.transport.pause_s = 0.05
        open_job = (await shop.post("/v1/jobs", files=form, data={"steps": "50"})).json()
        await asyncio.to_thread(backup, url, file)
        await shop.post(open_job["urls"]["cancel"])
        later = await gateway.account("later")
        assert (await later.get("/v1/credits")).status_code == 200
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(BadRequest, match="holds 2 account"):
        restore(url, file, LEASE_S)
    restore(url, file, LEASE_S, replace=True)
    async with start() as gateway:
        again = gateway.client(shop.headers)
        assert (await gateway.client(later.headers).get("/v1/credits")).status_code == 401
        assert (await again.get(done["urls"]["self"])).json()["result"]["seed"] == done["result"]["seed"]
        picture = done["result"]["image"]["url"]
        assert (await again.get(picture)).status_code == 200  # the secret that signs links came back too
        ended = (await again.get(open_job["urls"]["self"], headers={"Prefer": "wait=60"})).json()
        assert ended["status"] == "succeeded"  # it ran then, and runs again
        new = (await again.post("/v1/jobs", files=form, headers={"Prefer": "wait=30"})).json()
        assert new["status"] == "succeeded"  # numbers of rows go on behind those of the backup
        assert await gateway.unbalanced() == []


@pytest.mark.databases
async def test_a_restore_into_an_empty_database(start, form, url, tmp_path, postgres_or_nothing):
    """A new machine needs no accounts and no --replace."""
    file = tmp_path / "shop.backup"
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        await shop.post("/v1/jobs", files=form)
        await asyncio.to_thread(backup, url, file)
    other = postgres_or_nothing or f"sqlite:///{tmp_path / 'other' / 'gateway.db'}"
    restore(other, file, LEASE_S)
    assert (count(other), count(other, Job)) == (1, 1)


@pytest.fixture
def postgres_or_nothing(database, request):
    """An empty database of PostgreSQL for tests that run on it; else nothing."""
    return request.getfixturevalue("postgres").database("restored_" + database[-8:]) if database else ""


@pytest.mark.databases
async def test_a_restore_that_fails_changes_nothing(start, url, tmp_path, monkeypatch):
    """Neither a migration that fails nor a file that is none takes the accounts away."""
    file = tmp_path / "shop.backup"
    async with start(workers=0) as gateway:
        await gateway.account()
        await asyncio.to_thread(backup, url, file)
        await gateway.account("later")

    def fails(url):
        """What a full disk does."""
        raise Unavailable("no room")

    with monkeypatch.context() as patched:
        patched.setattr(backups, "migrate", fails)
        with pytest.raises(Unavailable, match="no room"):
            restore(url, file, LEASE_S, replace=True)
    assert count(url) == 2
    cut, foreign = tmp_path / "cut", tmp_path / "foreign"
    cut.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    foreign.write_text("no backup")
    for bad in (cut, foreign):
        with pytest.raises((BadRequest, Unavailable)):
            restore(url, bad, LEASE_S, replace=True)
        assert count(url) == 2
    restore(url, file, LEASE_S, replace=True)
    assert count(url) == 1


@pytest.mark.databases
async def test_a_backup_of_an_older_form_is_brought_forward(start, url, tmp_path):
    """One of a newer form is refused."""
    file, newer = tmp_path / "old.backup", tmp_path / "new.backup"
    async with start(workers=0) as gateway:
        await gateway.account()
    migrate(url, "-1")
    backup(url, file)
    migrate(url)
    engine = create_engine(database_url(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    backup(url, newer)
    with pytest.raises(BadRequest, match="newer gateway"):
        restore(url, newer, LEASE_S, replace=True)
    restore(url, file, LEASE_S, replace=True)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) != "9999"
    engine.dispose()
    assert count(url) == 1


@pytest.mark.databases
async def test_a_running_gateway_is_noticed(start, url, tmp_path):
    """Its worker was seen a moment ago; after an orderly stop it is not known any more."""
    file = tmp_path / "shop.backup"
    async with start() as gateway:
        await gateway.account()
        while not await gateway.query(select(WorkerProcess.name)):
            await asyncio.sleep(0.02)
        await asyncio.to_thread(backup, url, file)
        with pytest.raises(BadRequest, match="stop it"):
            await asyncio.to_thread(restore, url, file, LEASE_S, replace=True)
    restore(url, file, LEASE_S, replace=True)
    with pytest.raises(BadRequest, match="is there already"):
        backup(url, file)
    backup(url, file, replace=True)


@pytest.mark.parametrize("name", ["shop#1", "what?", "50%20off"])
def test_any_folder_holds_the_database_and_is_saved(name, tmp_path, monkeypatch):
    """What a URL gives another meaning is a letter of GATEWAY_DATA like every other one."""
    monkeypatch.setenv("GATEWAY_DATA", str(tmp_path / name))
    file = tmp_path / "shop.backup"
    assert main(["gateway", "key", "--account", "shop"]) == 0
    assert main(["gateway", "backup", "--file", str(file)]) == 0
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([name, "shop.backup"])
    assert (tmp_path / name / "gateway.db").is_file()
    other = f"sqlite:///{tmp_path / 'other.db'}"
    restore(other, file, LEASE_S)
    assert count(other) == 1


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
async def test_the_database_is_no_file_for_its_own_backup(start, url, tmp_path, ending):
    """Neither a file of the database nor a link to it is overwritten or read as a backup."""
    own = tmp_path / "data" / f"gateway.db{ending}"
    link = tmp_path / "link"
    link.symlink_to(own)
    async with start(workers=0) as gateway:
        await gateway.account()
        for file in (own, link):
            with pytest.raises(BadRequest, match="the database itself"):
                await asyncio.to_thread(backup, url, file, replace=True)
            with pytest.raises(BadRequest, match="the database itself"):
                await asyncio.to_thread(restore, url, file, LEASE_S, replace=True)
    assert count(url) == 1


async def test_a_copy_of_the_files_comes_back_with_its_log(start, url, tmp_path):
    """What a killed gateway has committed is in gateway.db-wal until it is copied into gateway.db."""
    copied, other = tmp_path / "copied", f"sqlite:///{tmp_path / 'other.db'}"
    async with start(workers=0) as gateway:
        await gateway.account()
        shutil.copytree(tmp_path / "data", copied)
    assert (copied / "gateway.db-wal").stat().st_size
    before = (copied / "gateway.db").read_bytes()
    restore(other, copied / "gateway.db", LEASE_S)
    assert count(other) == 1
    assert (copied / "gateway.db").read_bytes() == before
    saved = copied / "shop.backup"
    backup(other, saved)
    shutil.copyfile(copied / "gateway.db-wal", copied / "shop.backup-wal")  # of another database
    restore(url, saved, LEASE_S, replace=True)
    assert count(url) == 1


def test_tables_in_a_schema_of_their_own(postgres, tmp_path):
    """They are saved and restored where search_path finds them, whatever the schema of the backup was."""
    file, own = tmp_path / "shop.backup", tmp_path / "own.backup"
    public, shop = (postgres.database(f"{name}_{secrets.token_hex(4)}") for name in ("public", "shop"))
    run_sql(shop, "CREATE SCHEMA shop", f"ALTER DATABASE {shop.rpartition('/')[2]} SET search_path = shop")
    for url, names in ((public, ("ada",)), (shop, ("bo", "cy"))):
        migrate(url)
        for name in names:
            run_sql(url, f"INSERT INTO accounts VALUES ('{name}', '{name}', 0, '', 0)")
    backup(public, file)
    backup(shop, own)
    restore(shop, file, LEASE_S, replace=True)
    assert (count(shop), schemas_of_accounts(shop)) == (1, ["shop"])
    restore(shop, own, LEASE_S, replace=True)
    assert (count(shop), schemas_of_accounts(shop)) == (2, ["shop"])
    restore(public, own, LEASE_S, replace=True)
    assert (count(public), schemas_of_accounts(public)) == (2, ["public"])


def test_tables_of_another_gateway_in_the_same_database_stay(postgres, tmp_path):
    """A backup of their schema is refused elsewhere while they are in its place."""
    file = tmp_path / "shop.backup"
    public = postgres.database(f"public_{secrets.token_hex(4)}")
    migrate(public)
    backup(public, file)
    run_sql(
        public, "CREATE SCHEMA shop", f"ALTER DATABASE {public.rpartition('/')[2]} SET search_path = shop"
    )
    migrate(public)
    with pytest.raises(BadRequest, match="another gateway has tables"):
        restore(public, file, LEASE_S, replace=True)
    assert schemas_of_accounts(public) == ["public", "shop"]


def run_sql(url, *statements):
    """Run statements and keep what they did."""
    engine = create_engine(database_url(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def schemas_of_accounts(url):
    """The schemas that hold a table of accounts, and every one that is left from a restore."""
    engine = create_engine(database_url(url))
    with engine.connect() as connection:
        found = connection.scalars(
            text(
                "SELECT table_schema FROM information_schema.tables WHERE table_name = 'accounts' "
                "UNION SELECT nspname FROM pg_namespace WHERE nspname LIKE 'vitrine%' ORDER BY 1"
            )
        )
        schemas = list(found)
    engine.dispose()
    return schemas


def test_the_commands_say_what_they_did(tmp_path, monkeypatch, capsys):
    """`vitrine gateway backup` and `restore`, and their mistakes."""
    monkeypatch.setenv("GATEWAY_DATA", str(tmp_path / "data"))
    file = str(tmp_path / "shop.backup")
    assert main(["gateway", "backup", "--file", file]) != 0
    assert "there is no database" in capsys.readouterr().err
    assert main(["gateway", "key", "--account", "shop"]) == 0
    assert main(["gateway", "backup", "--file", file]) == 0
    assert "The pictures are not in it" in capsys.readouterr().out
    assert main(["gateway", "restore", "--file", file]) != 0
    assert "--replace" in capsys.readouterr().err
    assert main(["gateway", "restore", "--file", file, "--replace"]) == 0
    assert "must be erased again" in capsys.readouterr().out
    with closing(sqlite3.connect(tmp_path / "data" / "gateway.db")) as database:
        assert database.execute("SELECT name FROM accounts").fetchall() == [("shop",)]
