"""What fails is told to the clients of the old services by the statuses and names that they know."""

import asyncio
import base64

import pytest
from vitrine.errors import BadRequest, Busy, NotFound, StageFailed, TimedOut

SCENE = {"bg_prompt": "a cup"}
TRY_ON = {"user_id": "ada", "clothing_id": "coat-1"}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadRequest("person: nobody is in the picture"), 400, "bad_request"),
        (NotFound("there is no garment coat-1"), 404, "not_found"),
        (Busy("64 jobs wait"), 503, "busy"),
        (TimedOut("no answer within 300 s"), 504, "timed_out"),
        (StageFailed("unet", "it broke"), 500, "stage_failed"),
    ],
)
async def test_the_gpu_host_tells_the_jobs_own_error(start, error, status, code):
    """`generate-tryon` answers as the job has failed, not that something failed here."""
    async with start(tries=1) as gateway:
        shop = await gateway.account()
        gateway.transport.fake.failures = [error]
        answer = await shop.post("/vton/generate-tryon", json=TRY_ON)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.json()["detail"] == str(error)
        assert ("retry-after" in answer.headers) == (status == 503)


async def test_the_gpu_host_tells_that_its_job_was_canceled(start):
    """Somebody else canceled the try-on that the call waits for."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        answer = asyncio.create_task(shop.post("/vton/generate-tryon", json=TRY_ON))
        while not (jobs := (await shop.get("/v1/jobs")).json()["data"]):
            await asyncio.sleep(0.02)
        await shop.post(jobs[0]["urls"]["cancel"])
        assert ((await answer).status_code, (await answer).json()["code"]) == (409, "canceled")


async def test_openais_client_is_told_to_come_again(start):
    """A job that failed because the server is busy is 503, which the package tries again."""
    async with start(tries=1) as gateway:
        shop = await gateway.account()
        gateway.transport.fake.failures = [Busy("64 jobs wait")]
        answer = await shop.post("/v1/images/generations", json={"prompt": "x"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "busy")


@pytest.mark.parametrize(
    ("values", "name"),
    [({"rate_jobs": "1/1000"}, "RateLimitExceeded"), ({"max_queued": 1}, "ConcurrencyLimitExceeded")],
)
async def test_limits_are_told_in_the_old_services_words(start, garment, values, name):
    """FASHN has a name for each limit; every 429 says when to come again."""
    image = base64.b64encode(garment).decode()
    run = {"model_name": "tryon-v1.6", "inputs": {"model_image": image, "garment_image": image}}
    async with start(workers=0, **values) as gateway:
        shop = await gateway.account()
        assert (await shop.post("/v1/run", json=run)).status_code == 200
        refused = await shop.post("/v1/run", json=run)
        assert (refused.status_code, refused.json()["error"]) == (429, name)
        score = {"image": image, "prompt": "x"}
        others = [await shop.post("/generate", json=SCENE), await shop.post("/clip-score", json=score)]
        for answer in (refused, *others):
            assert (answer.status_code, int(answer.headers["retry-after"]) >= 10) == (429, True)


@pytest.mark.parametrize("size", [1000, 30_000_000], ids=["no picture", "too large"])
async def test_the_ad_server_refuses_pictures_by_400(shop, size):
    """INVALID_IMAGE is 400 in the old contract, whatever is wrong with the picture."""
    sent = SCENE | {"product_image": base64.b64encode(bytes(size)).decode()}
    answer = await shop.post("/generate", json=sent)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "INVALID_IMAGE")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (StageFailed("transformer", "CUDA out of memory"), 500, "GPU_OUT_OF_MEMORY"),
        (StageFailed("transformer", "it broke"), 500, "MODEL_LOAD_ERROR"),
        (TimedOut("no answer within 300 s"), 500, "MODEL_LOAD_ERROR"),
        (BadRequest("prompt must be text"), 400, "INVALID_PROMPT"),
    ],
)
async def test_the_ad_servers_failed_jobs_have_its_codes(start, garment, error, status, code):
    """`/status` and `/clip-score` tell codes of the old list alone."""
    async with start(tries=1) as gateway:
        shop = await gateway.account()
        gateway.transport.fake.failures = [error, error]
        job_id = (await shop.post("/generate", json=SCENE)).json()["job_id"]
        await shop.get(f"/v1/jobs/{job_id}", headers={"Prefer": "wait=30"})
        assert (await shop.get(f"/status/{job_id}")).json()["error"]["code"] == code
        score = {"image": base64.b64encode(garment).decode(), "prompt": "x"}
        answer = await shop.post("/clip-score", json=score)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
