"""History, erasure, housekeeping and the ledger."""

import asyncio
from pathlib import Path

import pytest
from noise_pictures import picture
from sqlalchemy import func, select, update
from structlog.testing import capture_logs
from vitrine.errors import Unavailable
from vitrine_gateway import housekeeping
from vitrine_gateway.database.tables import AuditRow, File, Job, LedgerRow
from vitrine_gateway.housekeeping import Housekeeper

WAIT = {"Prefer": "wait=30"}


async def made(client, form, user):
    """The id of a job of `user` that has succeeded."""
    job = (await client.post("/v1/jobs", files=form, data={"user": user}, headers=WAIT)).json()
    assert job["status"] == "succeeded"
    return job["id"]


@pytest.mark.databases
async def test_history_is_newest_first_and_hides(shop, form):
    """Hidden results are left out and come back; marking all as seen counts."""
    ids = [await made(shop, form, "ada") for _ in range(3)]
    await made(shop, form, "bob")
    history = (await shop.get("/v1/users/ada/history")).json()
    assert [one["id"] for one in history["data"]] == ids[::-1]
    assert history["unseen"] == 3
    await shop.patch(f"/v1/users/ada/history/{ids[1]}", json={"hidden": True})
    shown = (await shop.get("/v1/users/ada/history")).json()["data"]
    assert [one["id"] for one in shown] == [ids[2], ids[0]]
    everything = (await shop.get("/v1/users/ada/history?hidden=true")).json()["data"]
    assert [one["hidden"] for one in everything] == [False, True, False]
    assert (await shop.post("/v1/users/ada/history/seen")).json() == {"marked": 3}
    assert (await shop.get("/v1/users/ada/history")).json()["unseen"] == 0
    assert (await shop.patch(f"/v1/users/bob/history/{ids[0]}", json={"seen": True})).status_code == 404


async def test_nothing_of_an_erased_person_is_left(start, form, tmp_path):
    """After erasure no row and no file names the person or has their pictures; others keep theirs."""
    person, place = form["person"][1], tmp_path / "data"
    async with start() as gateway:
        shop = await gateway.account()
        await made(shop, form, "erased-person")
        kept = await made(shop, form, "bob")
        gateway.transport.pause_s = 0.2
        running = (await shop.post("/v1/jobs", files=form, data={"user": "erased-person"})).json()
        await asyncio.sleep(0.3)
        answer = await shop.delete("/v1/people/erased-person")
        assert answer.json()["erased"] == {"jobs": 2, "files": 5}
        assert (await shop.get(running["urls"]["self"])).status_code == 404
        left = {file.user for (file,) in await gateway.query(select(File))}
        assert left == {"bob"}
        cleared = [call for call in gateway.transport.fake.calls if call.model == "cache_control"]
        assert cleared[0].inputs["person_id"][0].startswith(b"gateway-")
        assert (await shop.get(f"/v1/jobs/{kept}")).json()["status"] == "succeeded"
        assert await gateway.unbalanced() == []
        assert (await shop.get("/v1/credits")).json()["credits"] == 98
        audit = (await shop.get("/v1/people/erased-person/audit")).json()["data"]
        assert audit[0]["counts"]["jobs"] == 2
        assert len(await gateway.query(select(AuditRow))) == 1
        await asyncio.sleep(0.5)  # the worker of the running job throws its result away
        paths = await gateway.parts.pictures.paths("")
        assert len(paths) == 3
    for file in place.rglob("*"):
        assert not file.is_file() or b"erased-person" not in file.read_bytes(), file
    assert person


@pytest.mark.databases
async def test_erasure_can_be_repeated_after_a_failure(gateway, shop, form):
    """While the server cannot forget the person, the call fails and says so; the next one ends the work."""
    await made(shop, form, "ada")
    gateway.transport.fake.failures = [Unavailable("no server answers")]
    assert (await shop.delete("/v1/people/ada")).status_code == 503
    assert (await shop.delete("/v1/people/ada")).json()["erased"]["jobs"] == 1


async def test_expired_pictures_go_and_those_of_waiting_jobs_stay(start, form):
    """Housekeeping removes an expired picture, but not one that a job still needs."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form)).json()
        async with gateway.parts.database.writing() as session:
            await session.execute(update(File).values(expires_at=1.0))
        keeper = Housekeeper(gateway.parts)
        assert await keeper.clean() == 0
        await shop.post(job["urls"]["cancel"])
        assert await keeper.clean() == 2
        assert await gateway.parts.pictures.paths("") == []
        assert await gateway.query(select(func.count()).select_from(File)) == [(0,)]


async def test_a_cleaning_that_fails_names_nobody_in_the_log(start, monkeypatch):
    """The path of a picture that cannot be deleted has the person's name."""

    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    async with start(workers=0) as gateway:
        shop = await gateway.account()
        await shop.post("/v1/files", files={"file": picture(1)}, data={"user": "ada"})
        async with gateway.parts.database.writing() as session:
            await session.execute(update(File).values(expires_at=1.0))
        with monkeypatch.context() as patched, capture_logs() as told:
            patched.setattr(Path, "unlink", refuse)
            cleaning = asyncio.create_task(Housekeeper(gateway.parts).run())
            while not told:
                await asyncio.sleep(0.01)
            cleaning.cancel()
    assert [(one["event"], "exc_info" in one) for one in told] == [
        ("a picture cannot be removed; it is tried again", False)
    ]
    assert "Permission denied" in told[0]["error"]
    assert "ada" not in str(told)


async def test_a_picture_that_cannot_be_removed_stops_no_other(start, monkeypatch):
    """It keeps its row. Many in a row stop a cleaning, and the next one goes on behind them."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        for seed in range(6):
            await shop.post("/v1/files", files={"file": picture(seed)})
        async with gateway.parts.database.writing() as session:
            await session.execute(update(File).values(expires_at=1.0))
            files = list(await session.scalars(select(File).order_by(File.id)))
        for file in (files[0], files[1], files[3]):  # a folder cannot be unlinked
            path = gateway.parts.settings.data / "pictures" / file.path
            path.unlink()
            path.mkdir()
        keeper = Housekeeper(gateway.parts)
        monkeypatch.setattr(housekeeping, "FAILURES", 2)
        with pytest.raises(Unavailable, match="2 pictures in a row"):
            await keeper.clean()
        assert await keeper.clean() == 3
        left = await gateway.query(select(File.id).order_by(File.id))
        assert [one for (one,) in left] == [files[0].id, files[1].id, files[3].id]
        with pytest.raises(Unavailable):
            await keeper.clean()


@pytest.mark.databases
async def test_all_that_has_expired_goes_at_once(start, form):
    """However many pictures have expired, and although jobs that wait need the oldest of them."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        await shop.post("/v1/jobs", files=form)
        async with gateway.parts.database.writing() as session:
            await session.execute(update(File).values(expires_at=1.0))
            kept = (await session.scalars(select(File))).first()
            for number in range(500):  # more than are read at once, of two times
                values = {**kept.values(), "id": f"file_{number}", "path": f"{kept.path}-{number}"}
                session.add(File(**values | {"expires_at": 2.0 + number // 300}))
        assert await Housekeeper(gateway.parts).clean() == 500
        assert await gateway.query(select(func.count()).select_from(File)) == [(2,)]


@pytest.mark.databases
async def test_a_name_may_hold_a_slash(shop, form):
    """It is %2F in a path: the person's history, erasure and audit rows are found."""
    job_id = await made(shop, form, "org/ada")
    history = "/v1/users/org%2Fada/history"
    assert [one["id"] for one in (await shop.get(history)).json()["data"]] == [job_id]
    assert (await shop.patch(f"{history}/{job_id}", json={"hidden": True})).json()["hidden"]
    assert (await shop.post(f"{history}/seen")).json() == {"marked": 1}
    assert (await shop.delete("/v1/people/org%2Fada")).json()["erased"]["jobs"] == 1
    assert len((await shop.get("/v1/people/org%2Fada/audit")).json()["data"]) == 1


async def test_audit_rows_are_not_erased(shop):
    """The path of a person's audit rows is no person; so named ones go by `?user=`."""
    answer = await shop.delete("/v1/people/ada/audit")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    named = await shop.delete("/v1/people", params={"user": "ada/audit"})
    assert (named.status_code, named.json()["user"]) == (200, "ada/audit")


@pytest.mark.parametrize("name", [".", "..", "/ada", "ada/"])
async def test_a_name_that_paths_lose_is_refused_and_can_be_erased(gateway, shop, form, name):
    """Clients take "." and ".." out of a path; what had such a name before is erased by `?user=`."""
    refused = await shop.post("/v1/jobs", files=form, data={"user": name})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
    await made(shop, form, "ada")
    async with gateway.parts.database.writing() as session:
        await session.execute(update(Job).values(user=name))
    erased = await shop.delete("/v1/people", params={"user": name})
    assert erased.json()["erased"]["jobs"] == 1
    assert len((await shop.get("/v1/people", params={"user": name})).json()["data"]) == 1


@pytest.mark.databases
async def test_the_ledger_has_every_movement(gateway, shop, form):
    """A job that succeeds has a hold and a capture; one that fails a hold and a refund."""
    await made(shop, form, "ada")
    rows = (await shop.get("/v1/credits/ledger?limit=2")).json()
    assert [(row["kind"], row["amount"]) for row in rows["data"]] == [("capture", 0), ("hold", -1)]
    page = {"cursor": rows["next_cursor"]}
    more = (await shop.get("/v1/credits/ledger", params=page)).json()
    assert [(row["kind"], row["amount"]) for row in more["data"]] == [("grant", 100)]
    assert await gateway.unbalanced() == []


@pytest.mark.parametrize("kind", ["refund", "capture"])
async def test_the_check_of_the_ledger_finds_a_second_payment(gateway, shop, form, kind):
    """The checker that the other tests rely on sees a job that was paid twice."""
    job_id = await made(shop, form, "ada")
    async with gateway.parts.database.writing() as session:
        account = (await session.scalars(select(Job.account_id).where(Job.id == job_id))).one()
        amount = 0 if kind == "refund" else 5
        session.add(
            LedgerRow(
                account_id=account,
                job_id=job_id if kind == "refund" else None,
                kind=kind,
                amount=amount,
                note="",
                at=0.0,
            )
        )
    assert len(await gateway.unbalanced()) == 1
