"""Moderation: what a judge refuses is not made or not kept, and costs nothing."""

import base64
import json
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest
from sqlalchemy import select
from test_openai import client_of
from vitrine_gateway.database.tables import File
from vitrine_gateway.errors import BadSettings
from vitrine_gateway.jobs import endings
from vitrine_gateway.moderation.moderation import Moderation
from vitrine_gateway.settings import Settings

WAIT = {"Prefer": "wait=30"}


class Judge:
    """A judge on loopback: `verdict` gives the status and body of a case; `cases` are those it got."""

    def __init__(self):
        self.cases, self.verdict = [], lambda case: (200, {"allowed": True})
        judge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                case = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                judge.cases.append(case)
                status, body = judge.verdict(case)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}/judge"


@pytest.fixture
def judge():
    """A running judge."""
    running = Judge()
    yield running
    running.server.shutdown()
    running.server.server_close()


def refuse(stage):
    """A verdict that refuses cases of one stage."""
    return lambda case: (200, {"allowed": case["stage"] != stage, "reason": "not for children"})


@pytest.mark.databases
@pytest.mark.parametrize(("stage", "drawn", "word"), [("before", 0, "sent"), ("after", 1, "made")])
async def test_what_is_refused_is_not_kept_and_costs_nothing(start, form, judge, stage, drawn, word):
    """Before: the server is never asked. After: the picture is not stored. Both are one kind of problem."""
    judge.verdict = refuse(stage)
    async with start(moderation=judge.address) as gateway:
        shop = await gateway.account()
        data = {"steps": "2", "previews": "true"}
        job = (await shop.post("/v1/jobs", files=form, data=data, headers=WAIT)).json()
        assert (job["status"], job["tries"], job["preview"]) == ("failed", 0, None)
        assert job["error"]["type"] == "urn:vitrine:problem:content_rejected"
        assert job["error"]["detail"] == f"moderation refuses what was {word}: not for children"
        assert len([one for one in gateway.transport.fake.calls if one.model == "try_on_stream"]) == drawn
        assert {kind for (kind,) in await gateway.query(select(File.kind))} == {"upload"}
        assert len(await gateway.parts.pictures.paths("")) == 2
        assert (await shop.get("/v1/credits")).json()["credits"] == 100
        assert await gateway.unbalanced() == []
    case = judge.cases[0]
    assert (case["stage"], case["pipeline"], case["options"]["steps"]) == ("before", "try_on", 2)
    names = {one["name"]: base64.b64decode(one["content"]) for one in case["pictures"]}
    assert set(names) == {"person", "garment"}
    assert names["person"].startswith(b"\x89PNG")


async def test_a_judge_that_is_away_lets_nothing_pass(start, form, judge, monkeypatch):
    """Its errors and its nonsense are tried again; the job then fails. `allow` lets the job go on."""
    monkeypatch.setattr(endings, "FIRST_PAUSE_S", 0.02)
    for verdict in (lambda case: (500, {}), lambda case: (200, {"allowed": "yes"}), lambda case: (302, {})):
        judge.verdict = verdict
        async with start(moderation=judge.address, tries=2) as gateway:
            shop = await gateway.account()
            job = (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()
            assert (job["status"], job["tries"], job["error"]["code"]) == ("failed", 1, "unavailable")
    async with start(moderation=judge.address, moderation_failure="allow") as gateway:
        shop = await gateway.account()
        assert (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()["status"] == "succeeded"


async def test_openai_clients_see_a_violation_of_policy(start, judge):
    """The package raises its own error with its own code."""
    judge.verdict = refuse("before")
    async with start(moderation=judge.address, moderation_when="before") as gateway:
        async with client_of(gateway, await gateway.account()) as client:
            with pytest.raises(openai.BadRequestError) as caught:
                await client.images.generate(prompt="x")
        assert caught.value.code == "content_policy_violation"


async def test_a_function_judges_too(start, monkeypatch):
    """`module:function`, plain or asynchronous, returns the reason; an exception is no consent."""
    module = types.ModuleType("house_rules")

    async def later(case):
        return "too red" if "red" in case.options["prompt"] else None

    module.now, module.later, module.broken = lambda case: None, later, lambda case: 1 / 0
    monkeypatch.setitem(sys.modules, "house_rules", module)
    for name, prompt, status in (
        ("now", "a red cup", "succeeded"),
        ("later", "a red cup", "failed"),
        ("later", "a cup", "succeeded"),
        ("broken", "a cup", "failed"),
    ):
        async with start(moderation=f"house_rules:{name}", tries=1) as gateway:
            shop = await gateway.account()
            body = {"pipeline": "text_to_image", "inputs": {"prompt": prompt}}
            assert (await shop.post("/v1/jobs", json=body, headers=WAIT)).json()["status"] == status


def test_a_judge_that_does_not_exist_stops_the_start():
    """A misspelt name is told at the start, not by the first job."""
    for name in ("no_such_module:judge", "json:no_such_function", "json", ":x"):
        with pytest.raises(BadSettings, match="GATEWAY_MODERATION"):
            Moderation(Settings.of(moderation=name))
    assert not Moderation(Settings.of()).asks("before")
