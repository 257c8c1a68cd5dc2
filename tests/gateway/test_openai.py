"""OpenAI's images endpoints, called by OpenAI's own package."""

import base64
import io
from contextlib import asynccontextmanager

import httpx2
import openai
import pytest
from PIL import Image


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
    ],
)
async def test_what_cannot_be_obeyed_is_refused(gateway, shop, fields, param):
    """The package raises its own error with the name of the field, and nothing is charged."""
    async with client_of(gateway, shop) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.images.generate(**({"prompt": "x"} | fields))
    assert (caught.value.type, caught.value.param) == ("invalid_request_error", param)
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


async def test_too_few_credits_for_all_pictures_cost_none(gateway):
    """All pictures of a call are queued or none."""
    poor = await gateway.account("poor", credits=2)
    async with client_of(gateway, poor) as client:
        with pytest.raises(openai.RateLimitError):
            await client.images.generate(prompt="x", n=3)
    assert (await poor.get("/v1/jobs")).json()["data"] == []
    assert (await poor.get("/v1/credits")).json()["credits"] == 2
