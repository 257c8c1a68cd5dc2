"""The gateway in front of a real Triton: try-ons from the form to the link, a cut-out, and its figures."""

import io

import httpx2
import pytest
from PIL import Image
from small_servers import png
from tiny_cut_out import red_disc
from vitrine_gateway.accounts.keys import key_with_credits
from vitrine_gateway.app import create_app
from vitrine_gateway.database.tables import Job
from vitrine_gateway.settings import Settings
from vitrine_gateway.telemetry.figures import read_figures


@pytest.fixture
async def shop(triton, tmp_path):
    """A client of a gateway in this process, with a key and credits."""
    metrics = f"http://{triton.metrics}/metrics"
    app = create_app(Settings.of(data=tmp_path, triton=triton.grpc, triton_metrics=metrics, poll_s=0.05))
    async with app.router.lifespan_context(app):
        async with app.state.gateway.database.writing() as session:
            key = await key_with_credits(session, "shop", 10)
        headers = {"Authorization": f"Bearer {key}"}
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://gateway", headers=headers, timeout=120
        ) as client:
            client.database = app.state.gateway.database
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
    again = {"steps": "60", "user": "ada", "previews": "true"}  # a slow preview skips steps, and may skip all
    for tries in range(1, 11):
        answer = await shop.post(
            "/v1/jobs", files=files, data=again | {"seed": str(tries)}, headers={"Prefer": "wait=60"}
        )
        sources = answer.json()
        if sources["preview"] is not None:
            break
    assert await sources_of(shop, sources["id"]) == "memory"
    assert "sources" not in sources["result"], "another account's pictures are kept there too"
    preview = await shop.get(sources["preview"]["image"]["url"])
    assert Image.open(io.BytesIO(preview.content)).format == "JPEG"
    erased = (await shop.delete("/v1/people/ada")).json()
    assert erased["erased"] == {"jobs": 1 + tries, "files": 3 + 3 * tries + 1}  # of the last also the preview
    fresh = (await shop.post("/v1/jobs", files=files, data=again, headers={"Prefer": "wait=60"})).json()
    assert await sources_of(shop, fresh["id"]) == "fresh"


async def sources_of(shop, job_id):
    """Where the server had the person's data from."""
    async with shop.database.reading() as session:
        return (await session.get(Job, job_id)).result["sources"]["person"]


async def test_a_cut_out_and_the_figures_of_the_server(shop, triton):
    """A product is cut out as a job; the ad server's /status shows what Triton's own metrics tell."""
    data = {"pipeline": "cut_out"}
    wait = {"Prefer": "wait=60"}
    product = {"image": png(red_disc(96, 64, 20))}
    job = (await shop.post("/v1/jobs", files=product, data=data, headers=wait)).json()
    assert job["status"] == "succeeded", job
    made = await shop.get(job["result"]["image"]["url"])
    assert Image.open(io.BytesIO(made.content)).mode == "RGBA"
    shown = (await shop.get(f"/status/{job['id']}")).json()["system_metrics"]
    assert 0 < shown["ram_used_gib"] < shown["ram_total_gib"]
    assert 0 <= shown["cpu_percent"] <= 100
    async with httpx2.AsyncClient() as http:
        told = read_figures((await http.get(f"http://{triton.metrics}/metrics")).text)
    assert told is not None, "Triton tells no figures of its machine"
    assert told["ram_total_gib"] == shown["ram_total_gib"]
