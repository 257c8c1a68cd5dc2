"""The gateway in front of a real Triton: one try-on from the form to the link."""

import io

import httpx2
import pytest
from PIL import Image
from vitrine_gateway.accounts.keys import account_named, make_key
from vitrine_gateway.app import create_app
from vitrine_gateway.credits import ledger
from vitrine_gateway.settings import Settings


@pytest.fixture
async def shop(triton, tmp_path):
    """A client of a gateway in this process, with a key and credits."""
    app = create_app(Settings.of(data=tmp_path, triton=triton.grpc, poll_s=0.05))
    async with app.router.lifespan_context(app):
        async with app.state.gateway.database.writing() as session:
            account = await account_named(session, "shop", create=True)
            await ledger.grant(session, account.id, 10)
            key = await make_key(session, account)
        headers = {"Authorization": f"Bearer {key}"}
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://gateway", headers=headers, timeout=120
        ) as client:
            yield client


async def test_a_try_on_through_the_gateway(shop, person, garment):
    """Ready, submit, events with progress, result, history; erasure then reaches the server's cache."""
    assert (await shop.get("/readyz")).json()["triton"] == "ok"
    files = {"person": person, "garment": garment}
    data = {"steps": "3", "seed": "7", "user": "ada"}
    submitted = await shop.post("/v1/jobs", files=files, data=data, headers={"Prefer": "wait=60"})
    job = submitted.json()
    assert job["status"] == "succeeded", job
    assert job["result"]["seed"] == 7
    made = await shop.get(job["result"]["image"]["url"])
    assert Image.open(io.BytesIO(made.content)).size == (192, 256)
    events = (await shop.get(job["urls"]["events"])).text
    assert '"steps":3' in events.replace(" ", "")
    again = {"steps": "2", "user": "ada"}
    sources = (await shop.post("/v1/jobs", files=files, data=again, headers={"Prefer": "wait=60"})).json()
    assert sources["result"]["sources"]["person"] == "memory"
    erased = (await shop.delete("/v1/people/ada")).json()
    assert erased["erased"] == {"jobs": 2, "files": 6}
    fresh = (await shop.post("/v1/jobs", files=files, data=again, headers={"Prefer": "wait=60"})).json()
    assert fresh["result"]["sources"]["person"] == "fresh"
