"""Submitting, watching and cancelling jobs."""

import asyncio
import base64
import io

import pytest
from PIL import Image
from vitrine_gateway.jobs.state_names import ENDED

WAIT = {"Prefer": "wait=30"}


async def ended(client, job_id):
    """The job when it has ended."""
    return (await client.get(f"/v1/jobs/{job_id}", headers=WAIT)).json()


async def test_a_form_makes_a_picture(shop, gateway, form):
    """A form with two pictures is a job; its signed link gives the picture without a key."""
    answer = await shop.post("/v1/jobs", data={"steps": "3", "seed": "7"}, files=form, headers=WAIT)
    job = answer.json()
    assert (answer.status_code, job["status"]) == (200, "succeeded")
    assert answer.headers["preference-applied"] == "wait=30"
    assert job["result"]["seed"] == 7
    made = await gateway.client().get(job["result"]["image"]["url"])
    assert Image.open(io.BytesIO(made.content)).size == (48, 64)
    assert made.headers["cache-control"].startswith("private")


async def test_json_with_base64_makes_a_picture(shop, person, garment):
    """Pictures in JSON are base64 or data URIs."""
    inputs = {
        "person": "data:image/png;base64," + base64.b64encode(person).decode(),
        "garment": [base64.b64encode(garment).decode()],
        "steps": 2,
    }
    answer = await shop.post("/v1/jobs", json={"pipeline": "try_on", "inputs": inputs})
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == job["urls"]["self"]
    done = await ended(shop, job["id"])
    result = (await shop.get(done["urls"]["result"])).json()
    assert result["image"]["width"] == 48


async def test_an_upload_serves_many_jobs(shop, person, garment):
    """A file_id takes the place of a picture."""
    uploaded = (await shop.post("/v1/files", files={"file": ("me.png", person, "image/png")})).json()
    inputs = {"person": {"file_id": uploaded["id"]}, "garment": base64.b64encode(garment).decode()}
    answer = await shop.post("/v1/jobs", json={"inputs": inputs}, headers=WAIT)
    assert answer.json()["status"] == "succeeded"


async def test_the_price_is_that_of_the_number_of_garments(shop, garment, person):
    """One garment costs 1, two cost 2, more cost 3 credits."""
    for count, price in ((1, 1), (2, 2), (3, 3)):
        files = [("person", ("p", person)), *[("garment", ("g", garment))] * count]
        job = (await shop.post("/v1/jobs", files=files, headers=WAIT)).json()
        assert job["price"] == price
    assert (await shop.get("/v1/credits")).json()["credits"] == 94


@pytest.mark.databases
async def test_a_key_repeats_the_answer_and_charges_once(shop, form, gateway):
    """The same Idempotency-Key with the same request is the same job, also at the same moment."""
    key = {"Idempotency-Key": "order-1"}
    first, second = await asyncio.gather(
        shop.post("/v1/jobs", files=form, headers=key), shop.post("/v1/jobs", files=form, headers=key)
    )
    third = await shop.post("/v1/jobs", files=form, headers=key)
    assert len({one.json()["id"] for one in (first, second, third)}) == 1
    assert third.headers["idempotent-replayed"] == "true"
    await ended(shop, third.json()["id"])
    assert (await shop.get("/v1/credits")).json()["credits"] == 99
    other = await shop.post("/v1/jobs", files=form, data={"seed": "8"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.databases
async def test_events_tell_the_whole_story_and_can_be_resumed(start, form):
    """The stream has queued, running, progress and the end; Last-Event-ID gives what follows."""
    async with start() as gateway:
        gateway.transport.pause_s = 0.3
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", data={"steps": "3"}, files=form)).json()
        events = read_events((await shop.get(job["urls"]["events"])).text)
        kinds = [kind for _, kind in events]
        assert kinds[:2] == ["queued", "running"]
        assert kinds[-1] == "succeeded"
        assert "progress" in kinds
        assert [number for number, _ in events] == list(range(1, len(events) + 1))
        rest = await shop.get(job["urls"]["events"], headers={"Last-Event-ID": "2"})
        assert read_events(rest.text) == events[2:]


@pytest.mark.parametrize("above", [0, 1, 900_000_000])
async def test_the_stream_of_an_ended_job_ends_where_nothing_is_left(shop, form, above):
    """204, after which an EventSource does not connect again; a number above the last one counts as it."""
    job = (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()
    last, kind = read_events((await shop.get(job["urls"]["events"])).text)[-1]
    again = shop.get(job["urls"]["events"], headers={"Last-Event-ID": str(last + above)})
    answer = await asyncio.wait_for(again, 5)
    assert (kind, answer.status_code, answer.content) == ("succeeded", 204, b"")
    assert (
        await shop.get(job["urls"]["events"], headers={"Last-Event-ID": str(last - 1)})
    ).status_code == 200


async def test_a_number_above_the_last_event_waits_for_the_next_one(start, form):
    """The end of a job that waits is told to a client that says it knows more."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form)).json()
        stream = asyncio.create_task(shop.get(job["urls"]["events"], headers={"Last-Event-ID": "77"}))
        while job["id"] not in gateway.parts.bells.awaited:
            await asyncio.sleep(0.02)
        await shop.post(job["urls"]["cancel"])
        assert read_events((await asyncio.wait_for(stream, 5)).text) == [(2, "canceled")]


@pytest.mark.databases
@pytest.mark.parametrize("odd", ["9" * 30, "-1", "1.5", "abc"])
async def test_an_event_id_that_is_none_of_ours_tells_everything(shop, form, odd):
    """The stream begins at the first event."""
    job = (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()
    whole = await shop.get(job["urls"]["events"])
    answer = await shop.get(job["urls"]["events"], headers={"Last-Event-ID": odd})
    assert read_events(answer.text) == read_events(whole.text) != []


def read_events(text):
    """(number, kind) of each event of a stream."""
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")
    ]
    return [(int(block["id"]), block["event"]) for block in blocks if "id" in block]


@pytest.mark.databases
async def test_a_waiting_job_has_a_place_and_can_be_canceled(start, form):
    """Without workers jobs wait in order; a canceled one is refunded and leaves the queue."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        first, second = [(await shop.post("/v1/jobs", files=form)).json() for _ in range(2)]
        assert (first["queue_position"], second["queue_position"]) == (1, 2)
        answer = await shop.post(first["urls"]["cancel"])
        assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
        assert (await shop.get(second["urls"]["self"])).json()["queue_position"] == 1
        assert (await shop.get("/v1/credits")).json()["credits"] == 99
        again = await shop.post(first["urls"]["cancel"])
        assert again.json()["status"] == "canceled"
        assert await gateway.unbalanced() == []


async def test_cancelling_a_running_job_closes_its_stream(start, form):
    """The server's request is cancelled, the job is refunded, and a result is not there."""
    async with start() as gateway:
        gateway.transport.pause_s = 0.2
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", data={"steps": "100"}, files=form)).json()
        while (await shop.get(job["urls"]["self"])).json()["status"] == "queued":
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        answer = await shop.post(job["urls"]["cancel"])
        assert (answer.status_code, answer.json()["canceling"]) == (202, True)
        assert (await ended(shop, job["id"]))["status"] == "canceled"
        assert gateway.transport.fake.streams_cancelled == 1
        assert (await shop.get("/v1/credits")).json()["credits"] == 100
        assert (await shop.get(job["urls"]["result"])).status_code == 409


@pytest.mark.databases
async def test_jobs_are_listed_in_pages(start, form):
    """Pages go from new to old and miss nothing when a job is added between them."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        ids = [(await shop.post("/v1/jobs", files=form)).json()["id"] for _ in range(5)]
        page = (await shop.get("/v1/jobs?limit=2")).json()
        await shop.post("/v1/jobs", files=form)
        seen = [one["id"] for one in page["data"]]
        while page["next_cursor"]:
            params = {"limit": "2", "cursor": page["next_cursor"]}
            page = (await shop.get("/v1/jobs", params=params)).json()
            seen += [one["id"] for one in page["data"]]
        assert seen == ids[::-1]


@pytest.mark.databases
async def test_no_credit_no_job(gateway, form):
    """A job that costs more than the account has is refused with 402 and leaves nothing."""
    poor = await gateway.account("poor", credits=0)
    answer = await poor.post("/v1/jobs", files=form)
    assert (answer.status_code, answer.json()["code"]) == (402, "no_credit")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await poor.get("/v1/jobs")).json()["data"] == []
    assert await gateway.parts.pictures.paths("") == []


async def test_the_limit_on_waiting_jobs(start, form):
    """An account cannot fill the queue."""
    async with start(workers=0, max_queued=1) as gateway:
        shop = await gateway.account()
        assert (await shop.post("/v1/jobs", files=form)).status_code == 202
        refused = await shop.post("/v1/jobs", files=form)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")


async def test_every_ended_state_is_final(shop, form):
    """A job that has succeeded cannot be canceled."""
    job = (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()
    assert job["status"] in ENDED
    assert (await shop.post(job["urls"]["cancel"])).status_code == 409


async def test_pictures_of_prompts_are_jobs_too(shop, garment):
    """The same form serves every pipeline; an input that a pipeline needs is asked for by name."""
    inputs = {"prompt": "a cup", "aspect_ratio": "4:5", "seed": 3}
    job = (await shop.post("/v1/jobs", json={"pipeline": "text_to_image", "inputs": inputs})).json()
    assert (await ended(shop, job["id"]))["result"]["seed"] == 3
    changed = {"pipeline": "image_to_image", "prompt": "in rain", "strength": "0.4"}
    files = {"image": ("cup.png", garment, "image/png")}
    answer = await shop.post("/v1/jobs", data=changed, files=files, headers=WAIT)
    assert (answer.json()["status"], answer.json()["price"]) == ("succeeded", 1)
    for wanted, told in (
        ({"pipeline": "image_to_image", "inputs": {"prompt": "x"}}, "image must be given: one picture"),
        ({"pipeline": "try_on", "inputs": {}}, "person must be given: one picture"),
        ({"pipeline": "portrait", "inputs": {}}, "pipeline must be one of try_on, text_to_image"),
    ):
        refused = await shop.post("/v1/jobs", json=wanted)
        assert refused.status_code == 400
        assert refused.json()["detail"].startswith(told)
