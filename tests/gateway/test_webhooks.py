"""Webhooks: signature, retries, and the guard against calls into the private network."""

import asyncio
import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook
from vitrine.errors import BadRequest
from vitrine_gateway.database.tables import Account, Delivery
from vitrine_gateway.webhooks import guard
from vitrine_gateway.webhooks.outbox import add_delivery
from vitrine_gateway.webhooks.sender import AT_ONCE_OF_ACCOUNT

PRIVATE = [
    "http://example.org/", "https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/", "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[fe80::1]/",
    "https://[fc00::1]/", "https://0.0.0.0/", "https://0/", "https://127.1/", "https://2130706433/",
    "https://0x7f000001/", "https://017700000001/", "https://[::]/", "https://224.0.0.1/", "https://100.64.0.1/",
    "file:///etc/passwd", "ftp://example.org/", "gopher://127.0.0.1/", "https://", "https:///x",
    "//example.org/x",
    "https://user:word@example.org/", "https://example.org:22/", "https://example.org:99999/", "https://[::1/",
    "javascript:alert(1)", "https://exa mple.org/", "https://exämple.org/", "", "https://x.invalid/",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_a_private_or_odd_address_is_refused(url):
    """No form of a private address, no other scheme, port or user gets through."""
    with pytest.raises(BadRequest):
        guard.check_url(url)


def test_one_private_address_of_a_name_is_enough(monkeypatch):
    """A name with a public and a private address is refused; a checked address is the one that is called."""
    rows = [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", ("127.0.0.1", 443))]
    monkeypatch.setattr(guard.socket, "getaddrinfo", lambda *_, **__: rows)
    with pytest.raises(BadRequest, match="not public"):
        guard.check_url("https://example.org/")
    monkeypatch.setattr(guard.socket, "getaddrinfo", lambda *_, **__: rows[:1])
    assert guard.check_url("https://example.org/hook?a=b") == guard.Target(
        "example.org", 443, "93.184.216.34", "/hook?a=b", True
    )


SLOW = threading.Event()
"""Set when a receiver shall answer what was sent to a path with "slow" in it."""


@pytest.fixture
def receiver():
    """A receiver on loopback: `answers` are its next statuses, `got` the requests."""
    got, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            if "slow" in self.path:
                SLOW.wait(30)
            self.send_response(answers.pop(0) if answers else 200)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()

        def log_message(self, *_):
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got, answers
    server.shutdown()
    server.server_close()


async def test_a_clock_that_is_set_back_delays_no_message(start, form, receiver):
    """One whose time is further ahead than any pause is sent at once."""
    url, got, _ = receiver
    async with start(webhook_hosts="127.0.0.1", workers=0) as gateway:
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form, data={"webhook": url})).json()
        async with gateway.parts.database.writing() as session:
            account_id = (await session.scalars(select(Account.id))).one()
            add_delivery(session, account_id, url, "job.succeeded", {"id": job["id"]})
            await session.flush()
            assert (await session.scalars(select(Delivery.run_after))).all() == [0.0]
            await session.execute(update(Delivery).values(run_after=time.time() + 86_400))
        for _ in range(300):
            if got:
                break
            await asyncio.sleep(0.05)
        assert got


@pytest.mark.databases
async def test_a_webhook_arrives_signed_and_is_repeated_with_one_id(start, form, receiver):
    """A receiver that fails and redirects at first gets the message again; Standard Webhooks verifies it."""
    url, got, answers = receiver
    answers += [500, 302]
    async with start(webhook_hosts="127.0.0.1") as gateway:
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form, data={"webhook": url})).json()
        for _ in range(200):
            async with gateway.parts.database.writing() as session:
                await session.execute(update(Delivery).where(Delivery.tries > 0).values(run_after=0.0))
            if len(got) >= 3:
                break
            await asyncio.sleep(0.1)
        ((secret,),) = await gateway.query(select(Account.webhook_secret))
    assert len({headers["webhook-id"] for headers, _ in got}) == 1
    headers, body = got[-1]
    assert Webhook(secret).verify(body, headers)["data"]["id"] == job["id"]
    assert json.loads(body)["type"] == "job.succeeded"


async def test_a_slow_receiver_delays_its_own_account_alone(start, form, receiver):
    """Two of its three messages are under way at once; another account's arrives meanwhile."""
    url, got, _ = receiver

    async def arrived(count):
        for _ in range(200):
            if len(got) >= count:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)  # one too many would have come
        return len(got)

    SLOW.clear()
    async with start(webhook_hosts="127.0.0.1") as gateway:
        slow, quick = await gateway.account(), await gateway.account("quick")
        for _ in range(3):
            await slow.post("/v1/jobs", files=form, data={"webhook": f"{url}-slow"})
        assert await arrived(2) == AT_ONCE_OF_ACCOUNT == 2
        await quick.post("/v1/jobs", files=form, data={"webhook": url})
        assert await arrived(3) == 3
        SLOW.set()
        assert await arrived(4) == 4
    assert len({headers["webhook-id"] for headers, _ in got}) == 4


async def test_a_job_with_a_private_webhook_is_refused(shop, form):
    """The address is checked before anything is kept or charged."""
    answer = await shop.post("/v1/jobs", files=form, data={"webhook": "https://127.0.0.1/"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert (await shop.get("/v1/credits")).json()["credits"] == 100


@pytest.mark.parametrize("whole", [False, True], ids=["link", "base64"])
async def test_fashns_webhook_gets_fashns_status(start, person, garment, receiver, whole):
    """`webhook_url` is sent what /v1/status answers, signed; with `return_base64` the picture itself."""
    url, got, _ = receiver
    sent = [base64.b64encode(one).decode() for one in (person, garment)]
    inputs = {"model_image": sent[0], "garment_image": sent[1], "return_base64": whole}
    async with start(webhook_hosts="127.0.0.1") as gateway:
        shop = await gateway.account()
        body = {"model_name": "tryon-v1.6", "inputs": inputs}
        run = await shop.post("/v1/run", params={"webhook_url": url}, json=body)
        while not got:
            await asyncio.sleep(0.05)
        status = (await shop.get(f"/v1/status/{run.json()['id']}")).json()
        ((secret,),) = await gateway.query(select(Account.webhook_secret))
        headers, told = got[0]
        Webhook(secret).verify(told, headers)
        told = json.loads(told)
        assert (told["id"], told["status"], told["error"]) == (status["id"], "completed", None)
        (output,), (again,) = told["output"], status["output"]
        assert output.startswith("data:image/png;base64," if whole else "http://gateway/v1/files/")
        assert output == again or not whole
        refused = await shop.post("/v1/run", params={"webhook_url": "https://10.0.0.1/"}, json=body)
        assert (refused.status_code, refused.json()["error"]) == (400, "BadRequest")
        assert refused.json()["message"].startswith("webhook_url: the host '10.0.0.1' is in a network")
