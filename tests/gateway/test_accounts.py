"""Keys, scopes, tenants and the form of errors."""

import asyncio

import pytest
from sqlalchemy import select, update
from vitrine_gateway import access
from vitrine_gateway.accounts.keys import Caller, find_caller
from vitrine_gateway.accounts.signing import Signer
from vitrine_gateway.database.tables import ApiKey, Job
from vitrine_gateway.errors import KINDS, Unauthorized


async def test_a_call_without_a_key_is_refused(gateway):
    """Every route of ours needs a key; the answer is a problem with the request's id."""
    stranger = gateway.client({"X-Request-ID": "my-request"})
    for method, path in (("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("GET", "/v1/credits")):
        answer = await stranger.request(method, path)
        assert answer.status_code == 401
        body = answer.json()
        assert (body["code"], body["request_id"]) == ("unauthorized", "my-request")
        assert body["type"] == "urn:vitrine:problem:unauthorized"
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "key", ["", "x", "vt_live_" + "0" * 16 + "_" + "A" * 43, "vt_live_é", "Bearer", "\t"]
)
async def test_a_wrong_key_is_refused(gateway, key):
    """Keys of another form and unknown keys are the same error."""
    with pytest.raises(Unauthorized):
        await find_caller(gateway.parts.keys.get, key)


async def test_a_key_is_not_in_the_database(gateway, shop, tmp_path):
    """The database has a digest of the secret alone."""
    secret = shop.headers["authorization"].rpartition("_")[2].encode()
    assert (await shop.get("/v1/credits")).status_code == 200
    files = [one for one in (tmp_path / "data").rglob("*") if one.is_file()]
    assert not [one.name for one in files if secret in one.read_bytes()]


async def test_a_key_expires_and_can_be_revoked(gateway, shop):
    """A revoked or expired key is refused."""
    assert (await shop.get("/v1/credits")).status_code == 200
    async with gateway.parts.database.writing() as session:
        key = (await session.scalars(select(ApiKey))).one()
        key.expires_at = 1.0
    assert (await shop.get("/v1/credits")).status_code == 401


@pytest.mark.databases
@pytest.mark.parametrize("change", [{"revoked_at": 1.0}, {"expires_at": 1.0}], ids=["revoked", "expired"])
async def test_a_key_that_ends_closes_its_streams(start, form, monkeypatch, change):
    """The events of a job and of a batch end without an end of the job; a new stream is refused."""
    monkeypatch.setattr(access, "KEY_LOOK_S", 0.05)
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        batch = (await shop.post("/v1/batches", files=form)).json()
        urls = [batch["urls"]["events"], batch["jobs"][0]["urls"]["events"]]
        streams = [asyncio.create_task(shop.get(url)) for url in urls]
        while not {batch["id"], batch["jobs"][0]["id"]} <= set(gateway.parts.bells.awaited):
            await asyncio.sleep(0.02)
        async with gateway.parts.database.writing() as session:
            await session.execute(update(ApiKey).values(change))
        for stream in streams:
            told = await asyncio.wait_for(stream, 20)
            assert "event: queued" in told.text
        assert [(await shop.get(url)).status_code for url in urls] == [401, 401]


async def test_a_streams_key_is_not_looked_up_for_every_event(gateway, shop):
    """The last look counts for KEY_LOOK_S."""
    async with gateway.parts.database.writing() as session:
        key = (await session.scalars(select(ApiKey))).one()
        key.revoked_at = 1.0
    now = [100.0]
    lasting = access.LastingKey(gateway.parts, Caller(key.account_id, key.id, ()), lambda: now[0])
    now[0] += access.KEY_LOOK_S - 0.1
    assert await lasting.holds()
    now[0] += 0.2
    assert not await lasting.holds()


async def test_a_key_needs_the_scope(gateway):
    """Erasing needs the scope `people`."""
    shop = await gateway.account(scopes=["jobs"])
    answer = await shop.delete("/v1/people/ada")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/run", {}),
        ("GET", "/v1/status/x", None),
        ("POST", "/generate", {"bg_prompt": "a cup"}),
        ("GET", "/status/x", None),
        ("POST", "/stop/x", None),
        ("POST", "/clip-score", {}),
        ("GET", "/fonts", None),
        ("POST", "/api/fitting/single-item-tryon", {"clothingId": "c", "userId": "u"}),
        ("GET", "/api/fitting/vto-history?userId=u", None),
        ("GET", "/queue/job/vto/x", None),
        ("POST", "/vton/generate-tryon", {"user_id": "u", "clothing_id": "c"}),
    ],
)
async def test_old_routes_need_the_scope_too(gateway, method, path, body):
    """A key that may erase people alone neither submits nor reads jobs by an old service's route."""
    shop = await gateway.account(scopes=["people"])
    answer = await shop.request(method, path, json=body)
    assert answer.status_code == 403
    assert "scope" in answer.text
    assert "jobs" in answer.text
    assert (await gateway.query(select(Job.id))) == []


async def test_another_account_sees_nothing(gateway, shop, form):
    """Jobs, files, history and links of one account are not there for another one."""
    headers = {"Prefer": "wait=30", "Idempotency-Key": "one"}
    job = (await shop.post("/v1/jobs", files=form, data={"user": "ada"}, headers=headers)).json()
    other = await gateway.account("other")
    urls = job["urls"]
    for method, path in (
        ("GET", urls["self"]),
        ("GET", urls["events"]),
        ("GET", urls["result"]),
        ("POST", urls["cancel"]),
        ("GET", f"/v1/files/{job['result']['image']['file_id']}"),
        ("PATCH", f"/v1/users/ada/history/{job['id']}"),
    ):
        answer = await other.request(method, path, json={"hidden": True} if method == "PATCH" else None)
        assert answer.status_code == 404, path
    assert (await other.get("/v1/jobs")).json()["data"] == []
    assert (await other.get("/v1/users/ada/history")).json()["data"] == []
    mine = await other.post("/v1/jobs", files=form, data={"user": "ada"}, headers=headers)
    assert mine.json()["id"] != job["id"]
    ids = {call.inputs["person_id"][0] for call in gateway.transport.fake.calls if "person_id" in call.inputs}
    assert len(ids) == 2


def test_a_link_is_valid_for_one_file_and_time():
    """A signature does not fit another file, another time, or a time that has passed."""
    signer = Signer(b"secret")
    signature = signer.link("file_a", 100).rpartition("sig=")[2]
    signer.check_link("file_a", 100, signature, now=99.0)
    for file_id, expires, now in (("file_b", 100, 99.0), ("file_a", 101, 99.0), ("file_a", 100, 101.0)):
        with pytest.raises(Unauthorized):
            signer.check_link(file_id, expires, signature, now)


@pytest.mark.databases
async def test_odd_texts_in_paths_are_no_failure_of_ours(shop):
    """NULs, long names and broken UTF-8 in paths, cursors and keys are refused or not found, never a 500."""
    for path in (
        "/v1/jobs/%00",
        "/v1/jobs/" + "x" * 3000,
        "/v1/jobs/%ff",
        "/v1/users/%00/history",
        "/v1/jobs?cursor=W251bGwsIG51bGxd",
        "/v1/jobs?cursor=WzEuMCwgIlx1MDAwMCJd",
        "/v1/credits/ledger?cursor=99999999999999999999",
        "/v1/people/%00/audit",
    ):
        assert (await shop.get(path)).status_code in (200, 400, 404, 422), path


async def test_unknown_routes_methods_and_forms_are_problems(shop):
    """Errors of the framework have the same form as ours."""
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/jobs", 405),
        ("POST", "/v1/jobs", 400),
    ):
        answer = await shop.request(method, path, content=b"{")
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


@pytest.mark.parametrize(
    ("inputs", "pointer"),
    [({"steps": 0}, "/steps"), ({"colour": "red"}, "/colour"), ({"category": "hat"}, "/category")],
)
async def test_an_option_that_breaks_a_rule_is_named(shop, form, inputs, pointer):
    """The answer has a pointer to each wrong option."""
    answer = await shop.post(
        "/v1/jobs", files=form, data={name: str(value) for name, value in inputs.items()}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


def test_each_code_is_of_one_kind():
    """No two kinds of problems share a code."""
    codes = [kind.code for kind in KINDS.values()]
    assert len(codes) == len(set(codes))


def test_a_caller_without_scopes_may_nothing():
    """`needs` refuses."""
    with pytest.raises(Exception, match="scope 'jobs'"):
        Caller("a", "k", ()).needs("jobs")
