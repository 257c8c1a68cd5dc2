"""Batches: a job for each garment or product, with a state, a hold and an end of its own."""

import asyncio
import json

import pytest
from noise_pictures import picture
from sqlalchemy import select
from vitrine import BadRequest
from vitrine_gateway.database.tables import Batch, Delivery, File, LedgerRow
from vitrine_gateway.jobs.batch_states import state_of

WAIT = {"Prefer": "wait=30"}


@pytest.fixture
def three(person):
    """The files of a batch: one person, three garments."""
    garments = [("garment", (f"{seed}.png", picture(seed), "image/png")) for seed in (2, 3, 4)]
    return [("person", ("me.png", person, "image/png")), *garments]


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (["queued", "queued"], "queued"),
        (["queued", "succeeded"], "running"),
        (["running", "failed"], "running"),
        (["succeeded", "succeeded"], "succeeded"),
        (["succeeded", "failed"], "partial"),
        (["succeeded", "canceled"], "partial"),
        (["failed", "canceled"], "failed"),
        (["canceled"], "canceled"),
    ],
)
def test_the_state_of_a_batch_follows_from_its_jobs(states, state):
    """Running until the last has ended; `partial` says that some have succeeded and some not."""
    assert state_of(states) == state


@pytest.mark.databases
async def test_a_batch_is_a_job_for_each_garment(gateway, shop, three):
    """Three garments: three results of 1 credit each in the order of the request; the person is kept once."""
    answer = await shop.post(
        "/v1/batches", files=three, data={"steps": "2", "category": ["upper_body", "dresses", "upper_body"]},
        headers=WAIT,
    )  # fmt: skip
    batch = answer.json()
    assert (answer.status_code, batch["status"], batch["price"]) == (200, "succeeded", 3)
    assert batch["counts"] == {"succeeded": 3}
    sent = sorted(
        call.inputs["category"][0] for call in gateway.transport.fake.calls if "category" in call.inputs
    )
    assert sent == [b"dresses", b"upper_body", b"upper_body"]
    for job in batch["jobs"]:
        assert job["batch_id"] == batch["id"]
        assert job["result"]["image"]["url"]
    assert (await shop.get("/v1/credits")).json()["credits"] == 97
    assert len(await gateway.query(select(File).where(File.kind == "upload"))) == 4
    assert (await shop.get(batch["urls"]["self"])).json()["jobs"][2]["id"] == batch["jobs"][2]["id"]
    assert [one["id"] for one in (await shop.get("/v1/batches")).json()["data"]] == [batch["id"]]
    other = await gateway.account("other")
    assert (await other.get(batch["urls"]["self"])).status_code == 404
    assert (await other.post(batch["urls"]["cancel"])).status_code == 404
    assert await gateway.unbalanced() == []


@pytest.mark.databases
async def test_a_job_that_fails_leaves_the_others(start, three):
    """Two succeed and one fails: `partial`, the failed one is refunded, and one message tells of the end."""
    async with start(workers=1, webhook_hosts="127.0.0.1") as gateway:
        gateway.transport.fake.failures = [BadRequest("no person was found")]
        shop = await gateway.account()
        data = {"webhook": "http://127.0.0.1:9/"}  # nobody listens
        batch = (await shop.post("/v1/batches", files=three, data=data, headers=WAIT)).json()
        assert (batch["status"], batch["counts"]) == ("partial", {"failed": 1, "succeeded": 2})
        assert batch["jobs"][0]["error"]["detail"] == "no person was found"
        assert (await shop.get("/v1/credits")).json()["credits"] == 98
        ((body,),) = await gateway.query(select(Delivery.body))
        assert (body["type"], body["data"]["id"]) == ("batch.partial", batch["id"])


@pytest.mark.databases
async def test_a_batch_is_taken_whole_or_not_at_all(start, three):
    """With credits for two of three nothing is queued, held or kept; a repeated key is the same batch."""
    async with start(workers=0) as gateway:
        poor = await gateway.account("poor", credits=2)
        answer = await poor.post("/v1/batches", files=three)
        assert (answer.status_code, answer.json()["code"]) == (402, "no_credit")
        assert (await poor.get("/v1/jobs")).json()["data"] == []
        assert await gateway.query(select(Batch.id)) == []
        assert await gateway.parts.pictures.paths("") == []
        shop = await gateway.account()
        key = {"Idempotency-Key": "order-1"}
        one, two = await asyncio.gather(
            shop.post("/v1/batches", files=three, headers=key),
            shop.post("/v1/batches", files=three, headers=key),
        )
        assert one.json()["id"] == two.json()["id"]
        assert [job["id"] for job in one.json()["jobs"]] == [job["id"] for job in two.json()["jobs"]]
        again = await shop.post("/v1/jobs", files=three, headers=key)
        assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")
        assert (await shop.get("/v1/credits")).json()["credits"] == 97


@pytest.mark.databases
async def test_cancelling_a_batch_ends_what_has_not_ended(start, three):
    """Waiting jobs end at once and are refunded."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        batch = (await shop.post("/v1/batches", files=three)).json()
        assert [job["queue_position"] for job in batch["jobs"]] == [1, 2, 3]
        await shop.post(batch["jobs"][1]["urls"]["cancel"])
        answer = await shop.post(batch["urls"]["cancel"])
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
        assert answer.json()["finished_at"]
        assert (await shop.get("/v1/credits")).json()["credits"] == 100
        kinds = [kind for (kind,) in await gateway.query(select(LedgerRow.kind))]
        assert (kinds.count("hold"), kinds.count("refund")) == (3, 3)


def read_stream(text):
    """(id, event, data) of each event of a stream that has an id."""
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")
    ]
    return [(one["id"], one["event"], json.loads(one["data"])) for one in blocks if "id" in one]


@pytest.mark.databases
async def test_a_batchs_events_tell_of_every_job_and_can_be_resumed(gateway, shop, three):
    """The stream has each job's story and the batch's end; after any event Last-Event-ID gives the rest."""
    batch = (await shop.post("/v1/batches", files=three, data={"steps": "2"})).json()
    events = read_stream((await shop.get(batch["urls"]["events"])).text)
    for place, job in enumerate(batch["jobs"]):
        own = [(kind, data) for _, kind, data in events if data.get("job_id") == job["id"]]
        assert [own[0][0], own[1][0], own[-1][0]] == ["queued", "running", "succeeded"]
        assert {data["place"] for _, data in own} == {place}
    assert events[-1][1:] == ("batch.succeeded", {"counts": {"succeeded": 3}})
    for at, (told, _, _) in enumerate(events):
        rest = await shop.get(batch["urls"]["events"], headers={"Last-Event-ID": told})
        assert read_stream(rest.text) == events[at + 1 :]
    assert rest.status_code == 204  # after the end
    odd = await shop.get(batch["urls"]["events"], headers={"Last-Event-ID": "1.2"})
    assert read_stream(odd.text) == events
    other = await gateway.account("other")
    assert (await other.get(batch["urls"]["events"])).status_code == 404


async def test_a_stream_of_what_was_erased_ends(start, three):
    """Erasure of the person ends the streams of the batch and of its jobs."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        batch = (await shop.post("/v1/batches", files=three, data={"user": "ada"})).json()
        urls = [batch["urls"]["events"], batch["jobs"][0]["urls"]["events"]]
        streams = [asyncio.create_task(shop.get(url)) for url in urls]
        while batch["id"] not in gateway.parts.bells.awaited:
            await asyncio.sleep(0.02)
        await shop.delete("/v1/people/ada")
        for stream in streams:
            assert "succeeded" not in (await asyncio.wait_for(stream, 20)).text


async def test_one_prompt_for_many_products(shop, garment):
    """A batch of `image_to_image` has a job for each picture, in the same scene."""
    files = [("image", ("a.png", picture(5), "image/png")), ("image", ("b.png", garment, "image/png"))]
    data = {"pipeline": "image_to_image", "prompt": "on a beach", "strength": "0.4"}
    batch = (await shop.post("/v1/batches", data=data, files=files, headers=WAIT)).json()
    assert (batch["status"], len(batch["jobs"])) == ("succeeded", 2)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"pipeline": "text_to_image", "inputs": {"prompt": "x"}}, "batches are served of try_on"),
        (
            {"pipeline": "image_to_image", "inputs": {"prompt": "x"}},
            "image must be 1 to 32, one for each job",
        ),
        ({"pipeline": "portrait", "inputs": {}}, "pipeline must be one of"),
    ],
)
async def test_what_makes_no_batch_is_told(shop, body, told):
    """The message names the rule."""
    answer = await shop.post("/v1/batches", json=body)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(told)


async def test_an_erased_persons_batches_are_gone(start, three):
    """Erasure removes the batch with its jobs."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        await shop.post("/v1/batches", files=three, data={"user": "ada"})
        assert (await shop.delete("/v1/people/ada")).json()["erased"] == {"jobs": 3, "files": 4}
        assert await gateway.query(select(Batch.id)) == []
        assert await gateway.unbalanced() == []
