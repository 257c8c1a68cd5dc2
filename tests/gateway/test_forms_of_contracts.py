"""Each contract answers in its own form, also before a route runs; what it has told is understood again."""

import asyncio
import base64

import pytest
from vitrine_gateway.jobs.inputs import file_of_link

FASHN = [("POST", "/v1/run"), ("GET", "/v1/status/x")]
ADS = [
    ("POST", "/generate"),
    ("GET", "/status/x"),
    ("POST", "/stop/x"),
    ("GET", "/fonts"),
    ("POST", "/clip-score"),
]


@pytest.mark.parametrize(("method", "path"), [*FASHN, *ADS])
async def test_strangers_and_the_hasty_are_told_in_the_contracts_form(start, method, path):
    """401 and 429 come before a route runs; their errors have the contract's form all the same."""
    async with start(rate_calls="1/1000", workers=0) as gateway:
        shop, stranger = await gateway.account(), gateway.client({"Authorization": "Bearer zz"})
        await shop.get("/v1/credits")
        for client, status, fashns, ads in (
            (stranger, 401, "UnauthorizedAccess", "UNAUTHORIZED"),
            (shop, 429, "RateLimitExceeded", "RATE_LIMITED"),
        ):
            answer = await client.request(method, path, json={} if method == "POST" else None)
            assert answer.status_code == status
            error = answer.json()["error"]
            assert (error if path.startswith("/v1/") else error["code"]) == (
                fashns if path.startswith("/v1/") else ads
            )
            assert ("retry-after" in answer.headers) == (status == 429)


async def test_fashns_messages_name_fashns_fields(shop, garment):
    """What is wrong with a picture is told under the name by which it was sent."""
    image = base64.b64encode(garment).decode()
    for sent, told in (("", "inputs.model_image"), (base64.b64encode(b"hello").decode(), "model_image")):
        inputs = {"model_image": sent, "garment_image": image}
        answer = await shop.post("/v1/run", json={"model_name": "tryon-v1.6", "inputs": inputs})
        assert (answer.status_code, answer.json()["error"]) == (400, "BadRequest")
        assert answer.json()["message"].startswith(told)


async def test_fashns_word_for_refused_content(start, garment):
    """A job that the moderation refuses has the name of fashn 0.9."""
    image = base64.b64encode(garment).decode()
    async with start(moderation="test_forms_of_contracts:refuse") as gateway:
        shop = await gateway.account()
        inputs = {"model_image": image, "garment_image": image}
        run = (await shop.post("/v1/run", json={"model_name": "tryon-v1.6", "inputs": inputs})).json()
        await shop.get(f"/v1/jobs/{run['id']}", headers={"Prefer": "wait=30"})
        told = (await shop.get(f"/v1/status/{run['id']}")).json()
        assert (told["status"], told["error"]["name"]) == ("failed", "ContentModerationError")


def refuse(case):
    """A judge that allows nothing."""
    return "no"


@pytest.mark.parametrize("path", ["/generate", "/v1/run"])
async def test_a_key_stands_for_a_job_of_an_old_contract(shop, garment, path):
    """What a client sends again under its Idempotency-Key is one job."""
    image = base64.b64encode(garment).decode()
    run = {"model_name": "tryon-v1.6", "inputs": {"model_image": image, "garment_image": image}}
    body = run if path == "/v1/run" else {"bg_prompt": "a cup"}
    answers = [(await shop.post(path, json=body, headers={"Idempotency-Key": "k"})).json() for _ in range(2)]
    assert answers[0].get("id", answers[0].get("job_id")) == answers[1].get("id", answers[1].get("job_id"))
    assert len((await shop.get("/v1/jobs")).json()["data"]) == 1


async def ended(shop, sent):
    """The state of an ad that has ended."""
    made = await shop.post("/generate", json=sent)
    assert made.status_code == 200, made.text
    job_id = made.json()["job_id"]
    await shop.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=30"})
    return (await shop.get(f"/status/{job_id}")).json()


@pytest.mark.parametrize("name", ["final_result", "step1_result"])
async def test_the_ad_servers_second_step_takes_the_firsts_link(shop, name):
    """A finished scene is in both fields of its state; its link comes back as `step1_image`."""
    first = await ended(shop, {"bg_prompt": "a cafe"})
    step2 = {"start_step": 2, "step1_image": first[name], "text_content": "Sale"}
    second = await ended(shop, step2)
    assert (second["status"], second["error"]) == ("completed", None)
    assert file_of_link(second["step1_result"]) == file_of_link(first["final_result"])
    assert file_of_link(second["final_result"]) != file_of_link(first["final_result"])


async def test_a_link_opens_no_file_of_another_account(gateway, shop):
    """A job takes files of its own account alone, whoever has the link."""
    link = (await ended(shop, {"bg_prompt": "a cafe"}))["final_result"]
    other = await gateway.account("other")
    sent = {"start_step": 2, "step1_image": link, "text_content": "Sale"}
    assert (await other.post("/generate", json=sent)).status_code == 404
    inputs = {"prompt": "x", "image": link}
    for client, status in ((other, 404), (shop, 202)):
        body = {"pipeline": "image_to_image", "inputs": inputs}
        assert (await client.post("/v1/jobs", json=body)).status_code == status


async def test_a_stopped_ad_says_so(start):
    """Its status is the old "error", whose error is not null."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        job_id = (await shop.post("/generate", json={"bg_prompt": "a cafe"})).json()["job_id"]
        await shop.post(f"/stop/{job_id}")
        told = (await shop.get(f"/status/{job_id}")).json()
        assert (told["status"], told["error"]["code"]) == ("error", "CANCELED")


async def test_a_score_that_was_canceled_did_not_time_out(start, garment):
    """The call that waits for it is told so."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        sent = {"image": base64.b64encode(garment).decode(), "prompt": "x"}
        answer = asyncio.create_task(shop.post("/clip-score", json=sent))
        while not (jobs := (await shop.get("/v1/jobs")).json()["data"]):
            await asyncio.sleep(0.02)
        await shop.post(jobs[0]["urls"]["cancel"])
        assert ((await answer).status_code, (await answer).json()["error"]["code"]) == (409, "CANCELED")


@pytest.mark.parametrize(
    "text",
    ["file_1", "https://a.example/me.png", "https://a/v1/files/file_1/contents", "data:,x", "https://["],
)
def test_other_texts_are_no_links_of_ours(text):
    """Only the path of a signed link names a file."""
    assert file_of_link(text) is None
