"""Previews: kept as soon as there are any, told in events, and shown in the ad server's /status."""

import asyncio
import io
import json

import pytest
from PIL import Image
from sqlalchemy import select
from vitrine_gateway.database.tables import File, Job
from vitrine_gateway.jobs import previews
from vitrine_gateway.jobs.state_names import RUNNING

STEPS = {"steps": "30", "previews": "true"}


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Keep every preview."""
    monkeypatch.setattr(previews, "PREVIEW_EVERY_S", 0.0)
    monkeypatch.setattr("vitrine_gateway.jobs.worker.PREVIEW_EVERY_S", 0.0)


async def shown(client, path, field):
    """The answer of a path when its field is there."""
    while True:
        body = (await client.get(path)).json()
        if body[field]:
            return body
        await asyncio.sleep(0.05)


@pytest.mark.databases
async def test_a_preview_is_there_before_the_end(start, form):
    """While the job runs its preview is a picture behind a signed link, which later previews keep."""
    async with start(workers=1) as gateway:
        gateway.transport.pause_s = 0.1
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form, data={**STEPS, "user": "ada"})).json()
        seen = await shown(shop, job["urls"]["self"], "preview")
        assert seen["status"] == "running"
        picture = await gateway.client().get(seen["preview"]["image"]["url"])
        assert picture.headers["cache-control"] == "private, no-cache"
        assert (picture.headers["content-type"], Image.open(io.BytesIO(picture.content)).size) == (
            "image/jpeg", (48, 64),
        )  # fmt: skip
        status = (await shop.get(f"/status/{job['id']}")).json()
        assert status["step1_result"].startswith("http://gateway/v1/files/")
        done = (await shop.get(job["urls"]["self"], headers={"Prefer": "wait=60"})).json()
        assert done["status"] == "succeeded"
        assert done["preview"]["image"]["file_id"] == seen["preview"]["image"]["file_id"]
        assert done["preview"]["step"] > seen["preview"]["step"]
        stream = (await shop.get(job["urls"]["events"])).text
        blocks = [block for block in stream.split("\n\n") if "event: preview" in block]
        data = json.loads(next(line[6:] for line in blocks[0].splitlines() if line.startswith("data: ")))
        assert (await gateway.client().get(data["image"]["url"])).status_code == 200
        assert [kind for (kind,) in await gateway.query(select(File.kind).where(File.kind == "preview"))] == [
            "preview"
        ]
        assert (await shop.delete("/v1/people/ada")).json()["erased"] == {"jobs": 1, "files": 4}
        assert await gateway.parts.pictures.paths("") == []


@pytest.mark.parametrize(("setting", "asked", "sent"), [("never", True, False), ("always", False, True)])
async def test_the_operator_decides_about_previews(start, setting, asked, sent):
    """`never` saves the server's time, `always` asks for all jobs."""
    async with start(previews=setting) as gateway:
        shop = await gateway.account()
        inputs = {"prompt": "a cup", "previews": asked}
        job = {"pipeline": "text_to_image", "inputs": inputs}
        done = (await shop.post("/v1/jobs", json=job, headers={"Prefer": "wait=30"})).json()
        assert (done["status"], bool(done["preview"])) == ("succeeded", sent)
        (call,) = [one for one in gateway.transport.fake.calls if one.model == "picture_stream"]
        assert bool(call.inputs["previews"][0]) == sent


async def test_a_worker_without_its_lease_keeps_no_preview(start, form):
    """After erasure a late preview leaves neither row nor bytes."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form, data={"user": "ada"})).json()
        async with gateway.parts.database.writing() as session:
            row = await session.get(Job, job["id"])
            row.state, row.lease = RUNNING, "lost"
        await shop.delete("/v1/people/ada")
        picture = Image.new("RGB", (64, 64))
        assert not await previews.keep_preview(gateway.parts, row, "lost", picture, 1)
        assert await gateway.parts.pictures.paths("") == []
