"""The queue of an application: Node's own BullMQ adds jobs over a real Redis, the gateway serves them.

Needs redis-server (Debian) and, for Node's side, the folder of `npm install bullmq ioredis`: BULLMQ_FOLDER,
or .venv/bullmq, where docker/test-programs.sh puts it. With either missing the tests skip.
"""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select
from vitrine import BadRequest, StageFailed
from vitrine_gateway.access import account_of_settings
from vitrine_gateway.database.tables import Job, LedgerRow
from vitrine_gateway.errors import BadSettings
from vitrine_gateway.jobs import endings
from vitrine_gateway.queue_bridge import QueueBridge, QueuedTryOn, serve_queue
from vitrine_orchestrator.embedded.ports import free_port

bullmq = pytest.importorskip("bullmq", reason="the extra bullmq is not installed")

NODE, SERVER = shutil.which("node"), shutil.which("redis-server")
FOLDER = os.environ.get("BULLMQ_FOLDER", str(Path(__file__).parents[2] / ".venv" / "bullmq"))
HAS_NODE = NODE is not None and (Path(FOLDER) / "node_modules" / "bullmq").is_dir()


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory):
    """The port of a Redis on loopback that keeps nothing."""
    if SERVER is None:
        pytest.skip("Redis is not installed (Debian: redis-server)")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    folder = str(tmp_path_factory.mktemp("redis"))
    server = subprocess.Popen([SERVER, *options, "--dir", folder], stdout=subprocess.DEVNULL)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        time.sleep(0.05)
    yield port
    server.terminate()
    server.wait(30)


@pytest.fixture
def serve(start, redis_port):
    """A gateway and the bridge on an empty queue: `async with serve(name) as (gateway, shop)`."""

    @contextlib.asynccontextmanager
    async def served(queue, **values):
        redis = f"redis://127.0.0.1:{redis_port}"
        async with start(redis=redis, queue=queue, old_account="shop", **values) as gateway:
            shop = await gateway.account()
            caller = await account_of_settings(gateway.parts)
            task = asyncio.create_task(QueueBridge(gateway.parts, caller).run(1000, 2000))
            try:
                yield gateway, shop
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    return served


async def node(port, queue, jobs):
    """What Node's package says of jobs that it adds and waits for."""
    if not HAS_NODE:
        pytest.skip("Node or its packages are missing: docker/test-programs.sh installs them")
    script = str(Path(__file__).with_name("queue_client.mjs"))
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "BULLMQ_FOLDER": FOLDER}
    process = await asyncio.create_subprocess_exec(
        NODE, script, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    )
    told = json.dumps({"port": port, "queue": queue, "jobs": jobs, "wait_ms": 60_000})
    out, err = await asyncio.wait_for(process.communicate(told.encode()), 90)
    assert process.returncode == 0, err.decode()
    return json.loads(out)


async def test_nodes_jobs_are_served(serve, redis_port):
    """Results, progress and failures reach Node; mistakes are not repeated, what may pass is."""
    async with serve("vto-queue", tries=1) as (gateway, shop):
        gateway.transport.pause_s = 0.01
        data = {"userId": "ada", "clothingId": "coat-1", "denoiseSteps": 20, "seed": 9}
        (done,) = await node(redis_port, "vto-queue", [{"data": data, "opts": {"jobId": "order-1"}}])
        assert done["state"] == "completed"
        assert done["result"]["seed"] == 9
        assert done["progress"] == sorted(set(done["progress"]))
        assert done["progress"][0] == 10
        link = done["result"]["imageUrl"].removeprefix("http://127.0.0.1:8080")
        assert (await gateway.client().get(link)).headers["content-type"] == "image/png"
        inputs = gateway.transport.fake.calls[-1].inputs
        assert (inputs["person_id"][0], inputs["garment_id"][0]) == (b"ada", b"coat-1")
        gateway.transport.fake.failures = [StageFailed("pose", "no memory")]
        opts = {"attempts": 3, "backoff": {"type": "vto"}}
        mistake = {"userId": "ada", "seed": "x"}
        jobs = [{"data": one, "opts": opts} for one in (data, mistake)]
        again, wrong = await node(redis_port, "vto-queue", jobs)
        assert (again["state"], again["attempts"]) == ("completed", 2)
        assert (wrong["state"], wrong["attempts"]) == ("failed", 1)
        assert wrong["error"].startswith("seed: ")
        gateway.transport.fake.failures = [BadRequest("no person was found")]
        (refused,) = await node(redis_port, "vto-queue", [{"data": data, "opts": opts}])
        assert (refused["attempts"], refused["error"]) == (1, "bad_request: no person was found")
        assert (await shop.get("/v1/credits")).json()["credits"] == 98
        assert await gateway.unbalanced() == []


async def test_a_job_that_is_given_out_twice_is_one_job(serve, redis_port, monkeypatch):
    """The first bridge dies while the job runs; the second one finds the same job, and it is paid once."""
    monkeypatch.setattr(endings, "FIRST_PAUSE_S", 0.02)
    async with serve("twice") as (gateway, shop):
        gateway.transport.pause_s = 0.05
        connection = {"connection": f"redis://127.0.0.1:{redis_port}"}
        queue = bullmq.Queue("twice", connection)
        bridge = QueueBridge(gateway.parts, await account_of_settings(gateway.parts))
        job = await queue.add("try-on", {"userId": "ada", "clothingIds": ["a", "b"]}, {})
        while not await gateway.query(select(Job.id)):
            await asyncio.sleep(0.05)
        found = await bullmq.Job.fromId(queue, job.id)
        second = await bridge._process(found, "another")  # as BullMQ does after a stall
        while (state := await queue.getJobState(job.id)) == "active":
            await asyncio.sleep(0.1)
        first = (await bullmq.Job.fromId(queue, job.id)).returnvalue
        await queue.close()
        assert state == "completed"
        assert (first["jobId"], first["success"]) == (second["jobId"], True)
        assert (await gateway.query(select(func.count()).select_from(Job)))[0][0] == 1
        kinds = [
            kind
            for (kind,) in await gateway.query(select(LedgerRow.kind).where(LedgerRow.job_id.is_not(None)))
        ]
        assert sorted(kinds) == ["capture", "hold"]
        assert (await shop.get("/v1/credits")).json()["credits"] == 98  # two garments


async def test_somebody_must_pay_for_the_queue(start):
    """Without a key or an account in the settings the command does not start."""
    async with start(workers=0) as gateway:
        with pytest.raises(BadSettings, match="GATEWAY_KEY"):
            await serve_queue(gateway.parts)
    async with start(workers=0, old_account="nobody") as gateway:
        with pytest.raises(BadSettings, match="nobody"):
            await serve_queue(gateway.parts)


def test_the_data_of_a_queued_job():
    """One garment or several; the category holds for each."""
    one = QueuedTryOn(userId="ada", clothingId="a").submission()
    assert (one.garment_ids, one.user, one.options) == (("a",), "ada", {"steps": 10, "seed": 42})
    two = QueuedTryOn(userId="ada", clothingIds=["a", "b"], category="dresses").submission()
    assert two.options["category"] == ["dresses", "dresses"]
