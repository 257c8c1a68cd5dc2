"""Garments: registering, rewards, lists, jobs that wear them, deletion and erasure."""

import asyncio
import io

import pytest
from noise_pictures import picture
from PIL import Image
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from vitrine_gateway import garments
from vitrine_gateway.credits.prices import REWARDS
from vitrine_gateway.database.tables import File, Garment, LedgerRow, Reward
from vitrine_gateway.housekeeping import Housekeeper

WAIT = {"Prefer": "wait=30"}
REWARD = REWARDS["register_garment"]


async def registered(client, seed=0, **told):
    """The answer to a registration of the picture of this seed."""
    answer = await client.post("/v1/garments", files={"file": picture(seed)}, data=told)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def rewards(gateway):
    """The credits of each reward in the ledger."""
    rows = await gateway.query(select(LedgerRow.amount).where(LedgerRow.kind == "reward"))
    return [amount for (amount,) in rows]


@pytest.mark.databases
async def test_a_new_garment_is_kept_and_paid(gateway, shop):
    """The answer tells the garment, what it earned and the credits; its signed link gives the picture."""
    told = {"user": "ada", "name": "Winter coat", "category": "upper_body", "description": "wool\nwarm"}
    made = await registered(shop, **told)
    assert (made["earned"], made["credits"]) == (REWARD, 100 + REWARD)
    assert {name: made[name] for name in told} == told
    assert (await shop.get("/v1/credits")).json()["credits"] == 100 + REWARD
    newest = (await shop.get("/v1/credits/ledger")).json()["data"][0]
    assert (newest["kind"], newest["amount"], newest["job_id"]) == ("reward", REWARD, None)
    assert await gateway.unbalanced() == []
    found = (await shop.get(f"/v1/garments/{made['id']}")).json()
    assert found | {"image": None} == {name: made[name] for name in found} | {"image": None}
    content = await gateway.client().get(found["image"]["url"])
    assert Image.open(io.BytesIO(content.content)).size == (48, 64)


@pytest.mark.databases
async def test_the_same_picture_pays_an_account_once(gateway, shop):
    """It pays nothing after deletion or in another file of the same pixels, but pays another account."""
    first = await registered(shop)
    assert (await registered(shop))["earned"] == 0
    assert (await shop.delete(f"/v1/garments/{first['id']}")).status_code == 204
    again = await registered(shop, name="again")
    assert (again["earned"], again["credits"]) == (0, 100 + REWARD)
    same = io.BytesIO()
    Image.open(io.BytesIO(picture())).save(same, "PNG", compress_level=1)
    assert same.getvalue() != picture()
    assert (await shop.post("/v1/garments", files={"file": same.getvalue()})).json()["earned"] == 0
    assert (await registered(await gateway.account("other")))["earned"] == REWARD
    assert await rewards(gateway) == [REWARD] * 2
    assert await gateway.unbalanced() == []


@pytest.mark.databases
async def test_only_so_many_garments_pay_in_24_hours(start):
    """Beyond the limit a garment is kept and earns nothing; a day later its picture can still earn."""
    async with start(rewarded_garments=2) as gateway:
        shop = await gateway.account()
        earned = [(await registered(shop, seed))["earned"] for seed in range(3)]
        assert earned == [REWARD, REWARD, 0]
        async with gateway.parts.database.writing() as session:
            await session.execute(update(Reward).values(at=Reward.at - garments.LIMIT_S))
        assert [(await registered(shop, seed))["earned"] for seed in (0, 2)] == [0, REWARD]
        assert len((await shop.get("/v1/garments")).json()["data"]) == 5


async def test_a_limit_of_0_pays_nothing(start):
    """An operator can switch rewards off."""
    async with start(rewarded_garments=0) as gateway:
        assert (await registered(await gateway.account()))["earned"] == 0
        assert await rewards(gateway) == []


@pytest.mark.databases
@pytest.mark.parametrize("seeds", [[0] * 6, list(range(6))], ids=["same picture", "at the limit"])
async def test_registrations_at_the_same_moment_do_not_pay_twice(start, seeds):
    """Of several at once one is paid: those of one picture, and those of several at a limit of one."""
    async with start(rewarded_garments=1 if len(set(seeds)) > 1 else 20) as gateway:
        shop = await gateway.account()
        made = await asyncio.gather(*(registered(shop, seed) for seed in seeds))
        assert sorted(one["earned"] for one in made) == [0] * 5 + [REWARD]
        assert {one["credits"] for one in made} <= {100, 100 + REWARD}
        assert await rewards(gateway) == [REWARD]
        assert await gateway.unbalanced() == []


@pytest.mark.databases
async def test_garments_are_listed_newest_first(shop):
    """Pages follow each other by the cursor; `user` picks the garments of one user, "" those of none."""
    ids = [
        (await registered(shop, seed, user=user))["id"] for seed, user in enumerate(("", "ada", "", "bob"))
    ]
    first = (await shop.get("/v1/garments?limit=3")).json()
    second = (await shop.get("/v1/garments", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [one["id"] for one in first["data"] + second["data"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert [one["id"] for one in (await shop.get("/v1/garments?user=ada")).json()["data"]] == [ids[1]]
    assert [one["id"] for one in (await shop.get("/v1/garments?user=")).json()["data"]] == [ids[2], ids[0]]
    assert (await shop.get("/v1/garments?cursor=x")).status_code == 400


@pytest.mark.databases
async def test_a_deleted_garment_is_gone_with_its_picture(gateway, shop):
    """No row, no bytes, no link; the reward stays."""
    kept, gone = await registered(shop, 0), await registered(shop, 1)
    assert (await shop.delete(f"/v1/garments/{gone['id']}")).status_code == 204
    for method, path in (
        ("GET", f"/v1/garments/{gone['id']}"),
        ("DELETE", f"/v1/garments/{gone['id']}"),
        ("GET", f"/v1/files/{gone['id']}"),
        ("GET", gone["image"]["url"]),
    ):
        assert (await shop.request(method, path)).status_code == 404, path
    assert [path.rpartition("/")[2] for path in await gateway.parts.pictures.paths("")] == [kept["id"]]
    assert (await shop.get("/v1/credits")).json()["credits"] == 100 + 2 * REWARD


async def test_an_upload_is_no_garment(gateway, shop, garment):
    """The routes of garments neither show nor delete other files."""
    upload = (await shop.post("/v1/files", files={"file": garment})).json()
    assert (await shop.get(f"/v1/garments/{upload['id']}")).status_code == 404
    assert (await shop.delete(f"/v1/garments/{upload['id']}")).status_code == 404
    assert (await shop.get(f"/v1/files/{upload['id']}")).status_code == 200


async def wear(client, person, garment_id, user):
    """The answer to a try-on of a registered garment, as a form."""
    data = {"garment_file_id": garment_id, "user": user}
    return await client.post("/v1/jobs", files={"person": person}, data=data, headers=WAIT)


@pytest.mark.databases
async def test_a_job_wears_a_registered_garment(gateway, shop, person):
    """A garment of no user serves the jobs of every user, one of a user that user's alone."""
    own, adas = await registered(shop, 0), await registered(shop, 1, user="ada")
    for garment_id, user in ((own["id"], "ada"), (own["id"], ""), (adas["id"], "ada")):
        job = (await wear(shop, person, garment_id, user)).json()
        assert job["status"] == "succeeded"
    assert (await wear(shop, person, adas["id"], "bob")).status_code == 400
    inputs = {"person": {"file_id": own["id"]}, "garment": [{"file_id": own["id"]}, {"file_id": adas["id"]}]}
    job = (await shop.post("/v1/jobs", json={"inputs": inputs, "user": "ada"}, headers=WAIT)).json()
    assert (job["status"], job["price"]) == ("succeeded", 2)
    sent = [call.inputs["garment"] for call in gateway.transport.fake.calls if "garment" in call.inputs]
    assert len(sent) == 4


async def test_a_job_whose_garment_was_deleted_fails_and_is_refunded(start, person):
    """A garment can be deleted while a job waits for it."""
    async with start(workers=0, tries=1) as gateway:
        shop = await gateway.account()
        made = await registered(shop)
        job = (
            await shop.post("/v1/jobs", files={"person": person}, data={"garment_file_id": made["id"]})
        ).json()
        await shop.delete(f"/v1/garments/{made['id']}")
    async with start(tries=1) as gateway:
        shop = await gateway.account(credits=0)
        ended = (await shop.get(f"/v1/jobs/{job['id']}", headers=WAIT)).json()
        assert ended["status"] == "failed"
        assert made["id"] in ended["error"]["detail"]
        assert (await shop.get("/v1/credits")).json()["credits"] == 100 + REWARD


async def test_garments_do_not_expire(start):
    """Housekeeping removes an old upload and leaves a garment of the same age."""
    async with start(upload_hours=0.001, result_hours=0.001) as gateway:
        shop = await gateway.account()
        made = await registered(shop)
        await shop.post("/v1/files", files={"file": picture(1)})
        async with gateway.parts.database.writing() as session:
            await session.execute(update(File).values(expires_at=File.expires_at - 100_000))
        assert await Housekeeper(gateway.parts).clean() == 1
        assert (await shop.get(made["image"]["url"])).status_code == 200


@pytest.mark.databases
async def test_erasure_removes_the_persons_garments(gateway, shop):
    """Rows, files and bytes of the person go; the reward stays, so the picture earns nothing again."""
    gone, kept = await registered(shop, 0, user="ada", name="ada's coat"), await registered(shop, 1)
    assert (await shop.delete("/v1/people/ada")).json()["erased"]["files"] == 1
    assert (await shop.get(f"/v1/garments/{gone['id']}")).status_code == 404
    assert [row.id for row in await gateway.query(select(Garment.id))] == [kept["id"]]
    assert len(await gateway.parts.pictures.paths("")) == 1
    assert (await registered(shop, 0))["earned"] == 0


@pytest.mark.databases
@pytest.mark.parametrize(
    ("told", "status", "named"),
    [
        ({"category": "hat"}, 422, "/category"),
        ({"name": "x" * 201}, 422, "/name"),
        ({"name": "two\nlines"}, 422, "/name"),
        ({"description": "x" * 1001}, 422, "/description"),
        ({"description": "a\0b"}, 422, "/description"),
        ({"user": "x" * 201}, 422, "/user"),
        ({"user": "a\0b"}, 400, "user"),
        ({"colour": "red"}, 422, "/colour"),
        ({"name": ["one", "two"]}, 400, "once"),
        ({"file": "text"}, 400, "once"),
    ],
)
async def test_a_wrong_field_is_named(gateway, shop, told, status, named):
    """Nothing is kept and nothing is paid."""
    answer = await shop.post("/v1/garments", files={"file": picture()}, data=told)
    assert (answer.status_code, named in answer.json()["detail"]) == (status, True), answer.text
    assert await gateway.parts.pictures.paths("") == []
    assert await rewards(gateway) == []


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"files": {"file": b"no picture"}}, 415, "not_a_picture"),
        ({"files": {"file": picture(size=(8, 8))}}, 400, "bad_request"),
        ({"files": {"picture": picture()}}, 400, "bad_request"),
        ({"data": {"file": "text"}}, 400, "bad_request"),
        ({"json": {"file": "text"}}, 400, "bad_request"),
        ({}, 400, "bad_request"),
    ],
)
async def test_what_is_no_picture_is_refused(gateway, shop, sent, status, code):
    """The answer is a problem, and nothing is kept."""
    answer = await shop.post("/v1/garments", **sent)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await gateway.parts.pictures.paths("") == []


@pytest.mark.databases
async def test_an_account_has_so_many_garments_at_most(start):
    """The limit holds for registrations at the same moment too, and is each account's own."""
    async with start(max_garments=2) as gateway:
        shop = await gateway.account()
        files = [{"file": picture(seed)} for seed in range(4)]
        answers = await asyncio.gather(*(shop.post("/v1/garments", files=one) for one in files))
        assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409]
        refused = next(answer.json() for answer in answers if answer.status_code == 409)
        assert (refused["code"], "may have 2 garments" in refused["detail"]) == ("too_many_garments", True)
        assert len(await gateway.parts.pictures.paths("")) == 2
        await registered(await gateway.account("other"))
        newest = (await shop.get("/v1/garments")).json()["data"][0]
        await shop.delete(f"/v1/garments/{newest['id']}")
        await registered(shop, 9)


async def test_a_registration_that_fails_leaves_nothing(gateway, shop, monkeypatch):
    """The picture's bytes are removed, no row is there, and the next try is paid."""

    async def fails(*_):
        raise OperationalError("INSERT", {}, Exception("the disk is full"))

    monkeypatch.setattr(garments, "_reward", fails)
    answer = await shop.post("/v1/garments", files={"file": picture()})
    assert answer.status_code == 503
    assert await gateway.parts.pictures.paths("") == []
    assert await gateway.query(select(func.count()).select_from(File)) == [(0,)]
    monkeypatch.undo()
    assert (await registered(shop))["earned"] == REWARD


async def test_a_key_needs_the_scope_of_jobs(gateway):
    """A key for erasure alone cannot register, see or delete garments."""
    other = await gateway.account(scopes=["people"])
    for method, path in (
        ("POST", "/v1/garments"),
        ("GET", "/v1/garments"),
        ("GET", "/v1/garments/file_x"),
        ("DELETE", "/v1/garments/file_x"),
    ):
        assert (await other.request(method, path)).status_code == 403, path
