"""The tools of MCP, called by the SDK's own client over HTTP and over stdin and stdout."""

import asyncio
import base64
import io
import os
import sys
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest
from gateway_in_process import SlowFake, serving
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from PIL import Image
from vitrine.command import main
from vitrine_gateway.mcp.server import TOOLS

MODES = ("2026-07-28", "legacy")  # the protocol without sessions, and the one with a handshake


class Gate(SlowFake):
    """A fake that draws nothing until its call is cancelled, and tells both to any thread."""

    def __init__(self):
        super().__init__()
        self.begun, self.cancelled = threading.Event(), threading.Event()

    async def stream(self, model, inputs, *, timeout_s, version=""):
        self.begun.set()
        try:
            await asyncio.Event().wait()
            yield {}
        finally:
            self.cancelled.set()


async def happened(event):
    """Wait for an event of another thread."""
    assert await asyncio.to_thread(event.wait, 60)


@asynccontextmanager
async def over_http(app, headers, mode=MODES[0], base="http://gateway"):
    """The SDK's client of an application in this process, or of a server when `app` is None."""
    transport = None if app is None else httpx2.ASGITransport(app=app)
    async with (
        httpx2.AsyncClient(transport=transport, headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{base}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def text_of(answer):
    """The text of an answer's first part."""
    return answer.content[0].text


def test_the_tools_are_those_of_the_old_server():
    """Eight names, as its clients know them."""
    assert {row.tool for row in TOOLS} == {
        "generate_ad_image",
        "check_generation_status",
        "analyze_image",
        "calculate_clip_score",
        "list_fonts",
        "generate_homepage",
        "get_system_status",
        "stop_generation",
    }


@pytest.mark.parametrize("mode", MODES)
async def test_a_picture_over_http(served, mode):
    """A real server: progress that rises to 100, a small picture, a link to the whole one, and data."""
    address, key = served
    told = []

    async def progress(value, total, message):
        told.append((value, message))

    async with over_http(None, {"Authorization": f"Bearer {key}"}, mode, address) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {row.tool for row in TOOLS}
        wanted = {"prompt": "a cup of coffee", "seed": 7, "width": 1024, "height": 640}
        made = await client.call_tool("generate_ad_image", wanted, progress_callback=progress)
        assert not made.is_error, text_of(made)
        status = await client.call_tool("get_system_status")
    job = made.structured_content
    assert (job["status"], job["pipeline"], job["result"]["seed"]) == ("succeeded", "text_to_image", 7)
    sentence, small, link = made.content
    assert "succeeded" in sentence.text
    assert Image.open(io.BytesIO(base64.b64decode(small.data))).size == (512, 320)
    async with httpx2.AsyncClient() as stranger:  # the link needs no key
        whole = await stranger.get(link.uri)
    assert Image.open(io.BytesIO(whole.content)).size == (1024, 640)
    assert [value for value, _ in told] == sorted({value for value, _ in told})
    assert (told[0][0] >= 0, told[-1]) == (True, (100, "succeeded"))
    assert status.structured_content["credits"] == 4
    assert status.structured_content["pipelines"]["text_to_image"]


async def test_a_picture_over_stdio(shop_key, person):
    """The command serves the same tools to the program that starts it; the key comes in a variable."""
    environment = {"GATEWAY_DATA": os.environ["GATEWAY_DATA"], "GATEWAY_KEY": shop_key}
    script = str(Path(__file__).with_name("mcp_process.py"))
    async with Client(
        StdioServerParameters(command=sys.executable, args=[script], env=environment)
    ) as client:
        image = base64.b64encode(person).decode()
        wanted = {"prompt": "a summer sale", "image": image, "strength": 0.5}
        made = await client.call_tool("generate_ad_image", wanted)
        assert made.structured_content["pipeline"] == "image_to_image"
        assert made.content[1].type == "image"
        again = await client.call_tool("check_generation_status", {"job_id": made.structured_content["id"]})
        assert again.structured_content["status"] == "succeeded"


async def test_stdio_without_a_key_does_not_start(monkeypatch, tmp_path, capsys):
    """A wrong or missing key is told at the start."""
    monkeypatch.setenv("GATEWAY_DATA", str(tmp_path))
    assert await asyncio.to_thread(main, ["gateway", "mcp"]) == 1
    assert "API key" in capsys.readouterr().err


async def test_a_stranger_is_refused_over_http(gateway):
    """Without a key, or without its scope, no tool is listed; the answer is a problem."""
    eraser = await gateway.account(scopes=["people"])
    for client, status in ((gateway.client(), 401), (eraser, 403)):
        answer = await client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_a_tool_without_its_pipeline_says_which(gateway, shop):
    """What is not served is an error that names the missing pipeline."""
    tool = "generate_homepage"
    async with over_http(gateway.app, dict(shop.headers)) as client:
        answer = await client.call_tool(tool, {})
    assert answer.is_error
    assert text_of(answer).startswith(f"not_served_yet: {tool} needs the pipeline '")


async def test_what_is_wrong_is_told(gateway, shop):
    """The gateway's own errors reach the client with code and text, and nothing is charged."""
    poor = await gateway.account("poor", credits=0)
    other = (
        await shop.post("/v1/jobs", json={"pipeline": "text_to_image", "inputs": {"prompt": "x"}})
    ).json()
    for headers, tool, arguments, told in (
        (poor.headers, "generate_ad_image", {"prompt": "x"}, "no_credit: the job costs 1"),
        (shop.headers, "generate_ad_image", {"prompt": "x", "width": 100, "height": 96}, "invalid: width"),
        (shop.headers, "generate_ad_image", {"prompt": "x", "image": "%%"}, "bad_request: image must be"),
        (poor.headers, "check_generation_status", {"job_id": other["id"]}, "not_found: there is no job"),
        (poor.headers, "stop_generation", {"job_id": other["id"]}, "not_found: there is no job"),
    ):
        async with over_http(gateway.app, dict(headers)) as client:
            answer = await client.call_tool(tool, arguments)
        assert answer.is_error
        assert text_of(answer).startswith(told)


async def test_a_cancelled_call_cancels_its_job(shop_key):
    """A client that gives up while it waits ends the drawing at the server, and pays nothing."""
    headers = {"Authorization": f"Bearer {shop_key}"}
    gate = Gate()
    with serving(gate) as address:
        async with over_http(None, headers, base=address) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "generate_ad_image", {"prompt": "x"})
            await happened(gate.begun)
            tasks.cancel_scope.cancel()
        await happened(gate.cancelled)
        async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=60) as http:
            (job,) = (await http.get("/v1/jobs")).json()["data"]
            done = (await http.get(f"/v1/jobs/{job['id']}", headers={"Prefer": "wait=30"})).json()
            assert done["status"] == "canceled"
            assert (await http.get("/v1/credits")).json()["credits"] == 5


async def test_a_long_job_is_asked_for_and_stopped(start):
    """Without waiting the answer is the job's id; it is stopped by it."""
    async with start(Gate()) as gateway:
        shop = await gateway.account()
        async with over_http(gateway.app, dict(shop.headers)) as client:
            queued = await client.call_tool("generate_ad_image", {"prompt": "x", "wait_s": 0})
            job = {"job_id": queued.structured_content["id"]}
            assert "ask check_generation_status" in text_of(queued)
            await happened(gateway.transport.begun)
            state = await client.call_tool("check_generation_status", job)
            assert state.structured_content["status"] == "running"
            await client.call_tool("stop_generation", job)
            ended = await client.call_tool("check_generation_status", {**job, "wait_s": 30})
            assert ended.structured_content["status"] == "canceled"
            again = await client.call_tool("stop_generation", job)
            assert again.structured_content["status"] == "canceled"


WRONG = [
    ({"aspectratio": "4:5"}, "invalid: aspectratio: there is no such argument; did you mean aspect_ratio?"),
    ({"negativePrompt": "cats"}, "invalid: negativePrompt: there is no such argument; did you mean negat"),
    ({"foo": 1}, "invalid: foo: there is no such argument; known: prompt, image"),
    ({"prompt": 5}, "invalid: prompt: Input should be a valid string, got 5"),
    ({"prompt": ""}, "invalid: prompt: String should have at least 1 character, got ''"),
    ({"wait_s": 120}, "invalid: wait_s: Input should be less than or equal to 50, got 120"),
    ({"product": 5}, "invalid: product: Input should be a valid string, got 5"),
    ({"width": 64}, "invalid: the arguments: width and height must be given together, got width only"),
    ({"strength": 0.5}, "bad_request: strength goes with image"),
    ({"product": "PICTURE", "width": 64}, "bad_request: width does not go with product: use aspect_ratio"),
    ({"product": "PICTURE", "negative_prompt": "x"}, "bad_request: negative_prompt does not go with product"),
    ({"text": "Sale"}, "bad_request: text and font go with product"),
    ({"product": "PICTURE", "text_position": "top"}, "bad_request: font and text_position go with text"),
]


async def test_wrong_arguments_are_told_and_cost_nothing(gateway, shop, person):
    """A name that no tool has is no free wish; each answer has the code, the name, the rule and the value."""
    image = base64.b64encode(person).decode()
    async with over_http(gateway.app, dict(shop.headers), "legacy") as client:
        assert client.server_info.version
        assert not any(
            tool.input_schema["additionalProperties"] for tool in (await client.list_tools()).tools
        )
        for arguments, told in WRONG:
            sent = {name: image if value == "PICTURE" else value for name, value in arguments.items()}
            answer = await client.call_tool("generate_ad_image", {"prompt": "x", **sent})
            assert answer.is_error
            assert text_of(answer).startswith(told), text_of(answer)
        score = await client.call_tool("calculate_clip_score", {"image": image, "prompt": ""})
        assert text_of(score).startswith("invalid: prompt: String should have at least 1 character")
        nothing = await client.call_tool("list_fonts", {"x": 1})
        assert text_of(nothing) == "invalid: x: there is no such argument; known: none"
    assert (await shop.get("/v1/jobs")).json()["data"] == []


async def test_a_body_above_the_limit_is_told_the_limit(start):
    """Over HTTP the limit is the gateway's own, which its answer names."""
    async with start(max_body_bytes=1000) as gateway:
        shop = await gateway.account()
        answer = await shop.post("/mcp", json={"x": "x" * 2000})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert "at most 1,000 bytes" in answer.json()["detail"]
