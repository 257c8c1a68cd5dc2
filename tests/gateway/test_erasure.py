"""After an erasure no byte of the person is left: in the database, the folder, S3, the outbox or a cache."""

import asyncio
import hashlib
import sqlite3
from contextlib import contextmanager

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer
from noise_pictures import picture
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from vitrine.errors import Unavailable
from vitrine_gateway import erasure
from vitrine_gateway.database.tables import Delivery, Job
from vitrine_gateway.soundness import unsound

WAIT = {"Prefer": "wait=30"}
USER = "erased-person-41d7"
KEY = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}


@contextmanager
def bucket():
    """(settings of a gateway, a function that returns all bytes) of an S3 server on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client("s3", endpoint_url=endpoint, **KEY)
    client.create_bucket(Bucket="pictures")

    def contents():
        found = client.list_objects_v2(Bucket="pictures").get("Contents", [])
        bodies = [client.get_object(Bucket="pictures", Key=one["Key"])["Body"].read() for one in found]
        return {one["Key"]: body for one, body in zip(found, bodies, strict=True)}

    try:
        yield {"pictures": "s3://pictures/shop", "pictures_endpoint": endpoint}, contents
    finally:
        server.stop()


def tables(url):
    """Every value of every table as one text for each row, and for SQLite the bytes of its files."""
    if url.startswith("postgresql"):
        with psycopg.connect(url) as connection:
            names = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            ).fetchall()
            return [str(row) for (name,) in names for row in connection.execute(f'SELECT * FROM "{name}"')]
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return [str(row) for (name,) in names for row in connection.execute(f'SELECT * FROM "{name}"')]
    finally:
        connection.close()


@pytest.mark.databases
@pytest.mark.parametrize("store", ["folder", "s3"])
async def test_no_byte_of_an_erased_person_is_left(start, tmp_path, store, monkeypatch, request):
    """Jobs, a batch, previews, an upload, a garment, messages, a running job; the erasure; the search."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    where, contents = ({}, dict)
    if store == "s3":
        opened = bucket()
        where, contents = opened.__enter__()
        request.addfinalizer(lambda: opened.__exit__(None, None, None))
    async with start(webhook_hosts="127.0.0.1", **where) as gateway:
        shop = await gateway.account()
        ids = await fill(shop, USER, 10)
        kept = await fill(shop, "bob", 20)
        gateway.transport.pause_s = 0.2
        data = {"user": USER, "steps": "50", "previews": "true"}
        running = (await shop.post("/v1/jobs", files=form(10), data=data)).json()
        while (await shop.get(running["urls"]["self"])).json()["status"] == "queued":
            await asyncio.sleep(0.02)
        assert any(USER in row for row in tables(gateway.parts.settings.database_url)), (
            "the search finds nothing"
        )
        paths = await gateway.parts.pictures.paths("")
        mine = {path: await gateway.parts.pictures.get(path) for path in paths if USER in path}
        assert len(mine) >= 9
        digests = [hashlib.sha256(content).hexdigest() for content in mine.values()]
        answer = await shop.delete(f"/v1/people/{USER}")
        assert answer.status_code == 200
        gateway.transport.pause_s = 0.0
        while gateway.parts.metrics.running._value.get() > 0:
            await asyncio.sleep(0.05)  # the worker of the running job throws its result away
        rows = tables(gateway.parts.settings.database_url)
        found = [row for row in rows if USER in row or any(one in row for one in ids)]
        assert found == [row for row in found if "'refund'" in row or "'capture'" in row or "'hold'" in row]
        assert not any(USER in row or any(one in row for one in digests) for row in rows)
        left = {
            path: await gateway.parts.pictures.get(path) for path in await gateway.parts.pictures.paths("")
        }
        assert left
        assert not set(left.values()) & set(mine.values())
        assert not any(USER in path for path in left)
        messages = [delivery for (delivery,) in await gateway.query(select(Delivery))]
        assert {message.job_id for message in messages} == set(kept[:2])
        cleared = [call for call in gateway.transport.fake.calls if call.model == "cache_control"]
        used = {
            call.inputs["person_id"][0]
            for call in gateway.transport.fake.calls
            if "person" in call.inputs and "person_id" in call.inputs
        }
        assert cleared[0].inputs["person_id"][0] in used, "the server forgets the name that it was given"
        assert (await shop.get(f"/v1/jobs/{kept[0]}")).json()["status"] == "succeeded"
        assert [one["id"] for one in (await shop.get("/v1/garments")).json()["data"]] == kept[2:]
        search(tmp_path, contents(), mine)  # while the gateway serves
    search(tmp_path, contents(), mine)


async def test_a_picture_that_comes_during_an_erasure_is_erased_too(start, tmp_path, monkeypatch):
    """The store is listed, then an upload comes: it goes with its row."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        store = gateway.parts.pictures
        listed = store.paths

        async def upload(seed):
            sent = {"file": picture(seed)}
            assert (await shop.post("/v1/files", files=sent, data={"user": USER})).status_code == 201

        async def paths(folder):
            found = await listed(folder)
            await upload(2)
            return found

        monkeypatch.setattr(store, "paths", paths)
        await upload(1)
        assert (await shop.delete(f"/v1/people/{USER}")).json()["erased"]["files"] == 2
        assert await listed("") == []


@pytest.mark.databases
async def test_an_erasure_that_fails_later_has_ended_the_jobs_for_all_who_wait(start, monkeypatch):
    """It is repeated when the server is back; streams, batches and messages end like other cancellations."""

    async def away(**_):
        raise Unavailable("the server does not run")

    async with start(workers=0, webhook_hosts="127.0.0.1") as gateway:
        shop = await gateway.account()
        data = {"user": USER, "webhook": "http://127.0.0.1:9/hook"}
        job = (await shop.post("/v1/jobs", files=form(1), data=data)).json()
        batch = (await shop.post("/v1/batches", files=form(2), data=data)).json()
        monkeypatch.setattr(gateway.parts.vitrine, "clear_cache", away)
        streams = [asyncio.create_task(shop.get(f"{one['urls']['self']}/events")) for one in (job, batch)]
        assert (await shop.delete(f"/v1/people/{USER}")).status_code == 503
        of_job, of_batch = [(await asyncio.wait_for(one, 30)).text for one in streams]
        assert "event: canceled" in of_job
        assert "event: canceled" in of_batch
        messages = await gateway.query(select(Delivery.job_id))
        assert {one for (one,) in messages} == {job["id"], batch["id"]}
        assert await unsound(gateway.parts) == []


async def test_a_stream_ends_where_no_event_tells_the_end(start):
    """The state of the job says that nothing follows."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form(1))).json()
        async with gateway.parts.database.writing() as session:
            await session.execute(update(Job).values(state="canceled"))
        answer = await asyncio.wait_for(shop.get(f"{job['urls']['self']}/events"), 30)
        assert "event: queued" in answer.text
        assert "event: canceled" not in answer.text


async def test_an_erasure_that_postgresql_ends_for_a_deadlock_is_begun_again(start, monkeypatch):
    """The transaction was rolled back and can simply be repeated; another failure is told at once."""
    failures = []

    async def failing(*arguments):
        if failures:
            raise OperationalError("UPDATE jobs", {}, failures.pop())
        return await cancel(*arguments)

    cancel = erasure.end_all
    monkeypatch.setattr(erasure, "end_all", failing)
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        failures += [psycopg.errors.DeadlockDetected("deadlock detected")] * 2
        assert (await shop.delete(f"/v1/people/{USER}")).status_code == 200
        failures += [psycopg.errors.DiskFull("no space left")] * 2
        assert (await shop.delete(f"/v1/people/{USER}")).status_code == 503
        assert len(failures) == 1


def search(folder, contents, pictures):
    """Fail if a file or folder of the gateway or its store holds the person's name or a picture of them."""
    found = list((folder / "data").rglob("*"))
    assert not any(USER in str(path) for path in found)
    everywhere = {str(path): path.read_bytes() for path in found if path.is_file()}
    for path, content in (everywhere | contents).items():
        assert USER not in path
        assert USER.encode() not in content, path
        assert not any(one in content for one in pictures.values()), path


def form(seed):
    """The files of a try-on whose person is of this seed."""
    return {
        "person": ("p.png", picture(seed), "image/png"),
        "garment": ("g.png", picture(seed + 1), "image/png"),
    }


async def fill(shop, user, seed):
    """Give a person a job with previews, a batch, an upload and a garment; the upload's id is left out."""
    data = {"user": user, "webhook": "http://127.0.0.1:9/", "steps": "3", "previews": "true"}
    files = form(seed)
    job = (await shop.post("/v1/jobs", files=files, data=data, headers=WAIT)).json()
    several = [("person", files["person"]), ("garment", files["garment"]), ("garment", files["person"])]
    batch = (await shop.post("/v1/batches", files=several, data=data, headers=WAIT)).json()
    assert (job["status"], batch["status"]) == ("succeeded", "succeeded")
    await shop.post("/v1/files", files={"file": picture(seed + 2)}, data={"user": user})
    told = {"user": user, "name": f"a coat of {user}", "description": f"{user} wears it in winter"}
    garment = await shop.post("/v1/garments", files={"file": picture(seed + 3)}, data=told)
    assert garment.json()["earned"] == 10
    return [job["id"], batch["id"], garment.json()["id"]]
