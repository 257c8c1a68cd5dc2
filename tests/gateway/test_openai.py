"""OpenAI's images endpoints, called by OpenAI's own package."""

import asyncio
import base64
import io
from contextlib import asynccontextmanager

import httpx2
import openai
import pytest
from PIL import Image
from vitrine_gateway.routers import openai_images


@asynccontextmanager
async def client_of(gateway, account):
    """OpenAI's client with the key of an account, without tries of its own."""
    key = account.headers["authorization"].removeprefix("Bearer ")
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=gateway.app))
    async with openai.AsyncOpenAI(
        base_url="http://gateway/v1", api_key=key, http_client=http, max_retries=0
    ) as client:
        yield client


def opened(data):
    """The picture of an answer."""
    return Image.open(io.BytesIO(base64.b64decode(data.b64_json)))


async def test_pictures_of_a_prompt(served):
    """A real server on loopback: two pictures of the asked size and format; each is a paid job."""
    address, key = served
    async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=key) as client:
        made = await client.images.generate(
            prompt="a cup of coffee", n=2, size="96x64", output_format="webp", extra_body={"seed": 5}
        )
        linked = await client.images.generate(prompt="tea", response_format="url")
    first, second = (opened(one) for one in made.data)
    assert (first.size, first.format, made.size, made.output_format) == ((96, 64), "WEBP", "96x64", "webp")
    assert first.tobytes() != second.tobytes()  # each has a seed of its own
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http:
        assert (await http.get(linked.data[0].url)).headers["content-type"] == "image/png"
        assert (await http.get(f"{address}/v1/credits")).json()["credits"] == 2


async def test_a_picture_is_changed(gateway, shop, person):
    """An edit sends one picture, which is changed by `strength`, under the user's name."""
    async with client_of(gateway, shop) as client:
        made = await client.images.edit(
            image=("me.png", person, "image/png"), prompt="in rain", user="ada", extra_body={"strength": 0.5}
        )
    assert opened(made.data[0]).size == (64, 64)
    call = gateway.transport.fake.calls[-1]
    assert (call.model, float(call.inputs["strength"][0])) == ("picture_stream", 0.5)
    (job,) = (await shop.get("/v1/jobs", params={"user": "ada"})).json()["data"]
    assert job["status"] == "succeeded"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 11}, "n"),
        ({"size": "big"}, "size"),
        ({"size": "100x96"}, "width"),
        ({"background": "transparent"}, "background"),
        ({"model": "gpt-image-2"}, "model"),
        ({"prompt": ""}, "prompt"),
        ({"output_format": "jpeg", "output_compression": 80}, "output_compression"),
        ({"partial_images": 2}, "partial_images"),
        ({"stream": True}, "stream"),
        ({"n": True}, "n"),
        ({"extra_body": {"seed": True}}, "seed"),
    ],
)
async def test_what_cannot_be_obeyed_is_refused(gateway, shop, fields, param):
    """The package raises its own error with the name of the field and its value, and nothing is charged."""
    async with client_of(gateway, shop) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.images.generate(**({"prompt": "x"} | fields))
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", param)
    message = caught.value.body["message"]
    value = fields.get(param, fields.get("size", "").partition("x")[0])
    assert message.startswith(f"{param}: "), message
    assert str(value) in message, message
    assert (await shop.get("/v1/credits")).json()["credits"] == 100


async def test_errors_have_openais_form(gateway, shop, person):
    """A wrong key, no credit, and an edit with two pictures."""
    stranger = gateway.client({"Authorization": "Bearer sk-nothing"})
    async with client_of(gateway, stranger) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.images.generate(prompt="x")
        assert caught.value.code == "invalid_api_key"
    poor = await gateway.account("poor", credits=1)
    async with client_of(gateway, poor) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.images.generate(prompt="x", n=2)
        assert caught.value.code == "insufficient_quota"
        assert caught.value.response.headers["x-should-retry"] == "false"
    async with client_of(gateway, shop) as client:
        with pytest.raises(openai.BadRequestError, match="one picture, got 2"):
            await client.images.edit(image=[("a.png", person), ("b.png", person)], prompt="x")
        with pytest.raises(openai.BadRequestError, match="mask: there is no such field"):
            await client.images.edit(image=("a.png", person), mask=("b.png", person), prompt="x")
        with pytest.raises(openai.BadRequestError) as caught:  # 400, as OpenAI answers it
            await client.images.edit(image=b"hello", prompt="x")
        assert caught.value.code == "not_a_picture"


async def test_too_few_credits_for_all_pictures_cost_none(gateway):
    """All pictures of a call are queued or none."""
    poor = await gateway.account("poor", credits=2)
    async with client_of(gateway, poor) as client:
        with pytest.raises(openai.RateLimitError):
            await client.images.generate(prompt="x", n=3)
    assert (await poor.get("/v1/jobs")).json()["data"] == []
    assert (await poor.get("/v1/credits")).json()["credits"] == 2


async def test_what_has_no_effect_is_accepted(gateway, shop, person):
    """A form has words for false; no partial pictures and an identifier of OpenAI's change nothing."""
    more = {"stream": False, "partial_images": 0, "extra_body": {"safety_identifier": "u-1"}}
    async with client_of(gateway, shop) as client:
        await client.images.edit(image=("me.png", person), prompt="x", **more)
        await client.images.generate(prompt="x", **more)


async def canceled(client, number=1):
    """Cancel the jobs of a call when they are there."""
    while len(jobs := (await client.get("/v1/jobs")).json()["data"]) < number:
        await asyncio.sleep(0.02)
    for job in jobs:
        await client.post(job["urls"]["cancel"])


async def test_a_job_that_was_canceled_is_not_drawn_again(start):
    """The package tries a 409 again by itself, unless it is told not to: one job, nothing paid."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        async with client_of(gateway, shop) as client:
            ended = asyncio.create_task(canceled(shop))
            with pytest.raises(openai.ConflictError):
                await client.with_options(max_retries=2).images.generate(prompt="x")
            await ended
        assert len((await shop.get("/v1/jobs")).json()["data"]) == 1
        assert (await shop.get("/v1/credits")).json()["credits"] == 100


@pytest.mark.parametrize("number", [1, 3])
async def test_a_key_stands_for_all_pictures_of_a_call(gateway, shop, number):
    """A call that is sent again under its Idempotency-Key gets the same pictures and pays once."""
    key = {"Idempotency-Key": "order-7"}
    async with client_of(gateway, shop) as client:
        first, again = [
            await client.images.generate(prompt="x", n=number, extra_headers=key) for _ in range(2)
        ]
        assert [one.b64_json for one in first.data] == [one.b64_json for one in again.data]
        assert len(first.data) == number
        with pytest.raises(openai.UnprocessableEntityError, match="sent with another request"):
            await client.images.generate(prompt="x", n=number + 1, extra_headers=key)
    assert len((await shop.get("/v1/jobs")).json()["data"]) == number
    assert (await shop.get("/v1/credits")).json()["credits"] == 100 - number


async def test_jobs_with_a_key_go_on_when_the_call_cannot_wait(start, monkeypatch):
    """The next call with the key waits for them; without a key they are canceled."""
    monkeypatch.setattr(openai_images, "WAIT_S", 0.0)
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        for key, state in (({}, "canceled"), ({"Idempotency-Key": "order-7"}, "queued")):
            answer = await shop.post("/v1/images/generations", json={"prompt": "x", "n": 2}, headers=key)
            assert (answer.status_code, answer.json()["error"]["code"]) == (504, "timed_out")
            jobs = (await shop.get("/v1/jobs", params={"limit": 2})).json()["data"]
            assert [job["status"] for job in jobs] == [state] * 2
