"""Accounts are apart: what belongs to one looks to another one as if it were not there, on every route."""

import json
import re

import pytest
from gateway_in_process import CREDITS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from noise_pictures import picture
from sqlalchemy import select
from test_mcp import over_http, text_of
from vitrine_gateway.database.tables import AuditRow, Delivery, File, Job

WAIT = {"Prefer": "wait=30"}
KINDS = ("job", "batch", "file", "msg")
ID = re.compile(r"\b(job|batch|file|msg|account)_[0-9a-f]{24}\b")
VARYING = ("request_id", "timestamp")


@pytest.fixture
async def shops(start):
    """(gateway, clients of two accounts), each with the same person, pictures, keys and webhooks."""
    async with start(webhook_hosts="127.0.0.1") as gateway:
        yield gateway, [await gateway.account(name) for name in ("one", "two")]


async def fill(client, seed=0):
    """Give an account a job, a batch, an upload, a garment and history of the user ada."""
    files = {"person": ("p.png", picture(1), "image/png"), "garment": ("g.png", picture(2), "image/png")}
    data = {
        "user": "ada",
        "webhook": "http://127.0.0.1:9/",
        "steps": "2",
        "seed": str(seed),
        "previews": "true",
    }
    headers = {"Idempotency-Key": "order-1", **WAIT}
    job = (await client.post("/v1/jobs", files=files, data=data, headers=headers)).json()
    several = [("person", files["person"]), ("garment", files["garment"]), ("garment", files["person"])]
    headers = {"Idempotency-Key": "order-2", **WAIT}
    batch = (await client.post("/v1/batches", files=several, data=data, headers=headers)).json()
    upload = (await client.post("/v1/files", files={"file": picture(3)}, data={"user": "ada"})).json()
    garment = (await client.post("/v1/garments", files={"file": picture(4)}, data={"user": "ada"})).json()
    return {"job": job["id"], "batch": batch["id"], "file": upload["id"], "garment": garment["id"]}


def plain(answer, *ids):
    """The status, type and body of an answer without the ids that were asked for and the request's own."""
    body = re.sub(ID, "ID", answer.text)
    for one in ids:
        body = body.replace(one, "ID")
    for name in VARYING:
        body = re.sub(rf'"{name}":"[^"]*"', f'"{name}":""', body)
    return answer.status_code, answer.headers["content-type"], body


def places(openapi):
    """(method, path, name of the id) of every operation with an id in its path."""
    for path, operations in openapi["paths"].items():
        for name in re.findall(r"\{(\w+_id)\}", path):
            for method in operations:
                yield method.upper(), path, name


async def test_every_id_of_another_account_is_as_if_it_were_not_there(shops):
    """On each route with an id, another account's id gives the answer of an id that was never made."""
    _, (one, two) = shops
    ids = await fill(one)
    tried = 0
    for method, path, name in places((await one.get("/v1/openapi.json")).json()):
        for kind, there in ids.items():
            nowhere = f"{kind}_{'0' * 24}"
            answers = []
            for identity in (there, nowhere):
                url = path.replace(f"{{{name}}}", identity).replace("{user}", "ada") + "?exp=9999999999&sig=x"
                headers = {"X-User-ID": "ada", "Last-Event-ID": "1"}
                body = {"hidden": True} if method == "PATCH" else None
                answers.append(plain(await two.request(method, url, headers=headers, json=body), identity))
            assert answers[0] == answers[1], (method, path)
            assert answers[0][0] in (401, 404), (method, path)
            tried += 1
    assert tried > 40
    assert (await one.get(f"/v1/jobs/{ids['job']}")).json()["status"] == "succeeded"
    assert (await one.get(f"/v1/garments/{ids['garment']}")).status_code == 200
    history = (await one.get("/v1/users/ada/history?hidden=true")).json()["data"]
    assert not any(entry["hidden"] for entry in history)


async def test_lists_bodies_and_keys_tell_nothing_of_another_account(shops):
    """Lists are empty, a file_id of another account is unknown in a body, and a key repeats one's own job."""
    _, (one, two) = shops
    ids = await fill(one)
    for path in (
        "/v1/jobs", "/v1/jobs?user=ada", "/v1/batches", "/v1/users/ada/history", "/v1/people/ada/audit",
        "/v1/garments", "/v1/garments?user=ada", "/api/fitting/vto-history?userId=ada",
    ):  # fmt: skip
        assert (await two.get(path)).json()["data"] == [], path
    assert (await two.get("/v1/credits")).json()["credits"] == CREDITS
    ledger = (await two.get("/v1/credits/ledger")).json()["data"]
    assert [row["kind"] for row in ledger] == ["grant"]
    answers = []
    for file_id in (ids["file"], ids["garment"], f"file_{'0' * 24}"):
        inputs = {"person": {"file_id": file_id}, "garment": {"file_id": file_id}}
        for path in ("/v1/jobs", "/v1/batches"):
            answers.append(plain(await two.post(path, json={"user": "ada", "inputs": inputs}), file_id))
    assert answers[:2] == answers[2:4] == answers[4:]
    mine = await fill(two, seed=5)  # the same keys with other requests: no conflict with the other account's
    assert not set(mine.values()) & set(ids.values())
    cursor = (await one.get("/v1/jobs?limit=1")).json()["next_cursor"]
    for page in (await two.get("/v1/jobs", params={"cursor": cursor})).json()["data"]:
        assert page["id"] not in ids.values()


async def test_marks_and_erasure_of_a_person_leave_another_accounts_alone(shops):
    """Two accounts call their person ada: seeing, hiding and erasing one leaves the other."""
    gateway, (one, two) = shops
    ids, _ = await fill(one), await fill(two)
    assert (await two.post("/v1/users/ada/history/seen")).json()["marked"] == 3
    await two.patch("/api/fitting/vto/mark-all-seen", headers={"X-User-ID": "ada"})
    assert (await one.get("/v1/users/ada/history")).json()["unseen"] == 3
    before = len(gateway.transport.fake.calls)
    await two.delete("/v1/people/ada")
    cleared = {call.inputs["person_id"][0] for call in gateway.transport.fake.calls[before:]}
    used = {
        call.inputs["person_id"][0]
        for call in gateway.transport.fake.calls[:before]
        if "person_id" in call.inputs
    }
    assert len(cleared) == 1
    assert len(used) == 2
    assert (await one.get(f"/v1/jobs/{ids['job']}")).json()["status"] == "succeeded"
    assert (await one.get(f"/v1/files/{ids['file']}")).status_code == 200
    assert (await one.get(f"/v1/garments/{ids['garment']}")).status_code == 200
    assert (await two.get("/v1/garments")).json()["data"] == []
    assert (await one.get("/v1/people/ada/audit")).json()["data"] == []
    subjects = await gateway.query(select(AuditRow.subject))
    assert len(subjects) == 1


async def test_links_and_messages_are_of_one_account(shops):
    """A link's signature fits its own file alone; a message tells of jobs of its own account."""
    gateway, (one, two) = shops
    ids, other = await fill(one), await fill(two)
    link = (await one.get(f"/v1/jobs/{ids['job']}/result")).json()["image"]["url"]
    theirs = (await two.get(f"/v1/jobs/{other['job']}/result")).json()["image"]
    swapped = re.sub(r"file_[0-9a-f]{24}", theirs["file_id"], link)
    assert (await gateway.client().get(link)).status_code == 200
    assert (await gateway.client().get(swapped)).status_code == 401
    accounts = dict(map(tuple, await gateway.query(select(Job.id, Job.account_id))))
    for (delivery,) in await gateway.query(select(Delivery)):
        named = set(re.findall(r"job_[0-9a-f]{24}", json.dumps(delivery.body)))
        assert {accounts[name] for name in named} <= {delivery.account_id}
    for (file,) in await gateway.query(select(File)):
        assert file.path.startswith(f"{file.account_id}/")


async def test_results_do_not_tell_what_the_server_had_kept(shops):
    """The server keeps pictures by their content for all accounts; whether it had one is not told."""
    _, (one, two) = shops
    for client in (one, two):
        ids = await fill(client)
        assert "sources" not in (await client.get(f"/v1/jobs/{ids['job']}/result")).json()


async def test_names_at_the_server_are_of_one_account(shops):
    """The old routes name persons and garments: only the old service's account reaches its names."""
    gateway, clients = shops
    body = {"clothingId": "coat-1", "userId": "ada"}
    for client in clients:
        queued = (await client.post("/api/fitting/single-item-tryon", json=body)).json()
        await client.get(f"/v1/jobs/{queued['jobId']}", headers=WAIT)
    named = [
        (call.inputs["person_id"][0], call.inputs["garment_id"][0])
        for call in gateway.transport.fake.calls
        if "garment_id" in call.inputs
    ]
    persons, garments = zip(*named, strict=True)
    assert len(set(persons)) == len(set(garments)) == 2
    assert b"ada" not in persons
    assert b"coat-1" not in garments


async def test_the_tools_of_mcp_know_their_own_accounts_jobs(shops):
    """Another account's job is unknown to the tools, like one that was never made."""
    gateway, (one, two) = shops
    ids = await fill(one)
    headers = {"Authorization": two.headers["authorization"]}
    async with over_http(gateway.app, headers) as client:
        for tool in ("check_generation_status", "stop_generation"):
            told = []
            for job_id in (ids["job"], f"job_{'0' * 24}"):
                answer = await client.call_tool(tool, {"job_id": job_id})
                assert answer.is_error
                told.append(text_of(answer).replace(job_id, "ID"))
            assert told[0] == told[1]
    assert (await one.get(f"/v1/jobs/{ids['job']}")).json()["status"] == "succeeded"


NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    accounts=st.lists(NAMES, min_size=2, max_size=2, unique=True),
    users=st.lists(NAMES, min_size=2, max_size=2),
)
def test_no_two_accounts_share_a_name_or_signature(accounts, users):
    """Whatever accounts and persons are called, also where one name continues another."""
    from vitrine_gateway.accounts.signing import Signer
    from vitrine_gateway.pictures.stores import person_folder

    signer = Signer(b"secret")
    one, two = zip(accounts, users, strict=True)
    assert signer.person_id(*one) != signer.person_id(*two)
    for purpose in ("garment", "audit"):
        assert signer.sign(purpose, *one) != signer.sign(purpose, *two)
    folders = [person_folder("account_1", user) for user in users]
    if users[0] != users[1]:
        assert folders[0] != folders[1]
        assert not folders[0].startswith(f"{folders[1]}/")
