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
import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from vitrine import BadRequest, StageFailed
from vitrine_gateway.access import account_of_settings
from vitrine_gateway.database.tables import Job, LedgerRow
from vitrine_gateway.errors import BadSettings
from vitrine_gateway.jobs import endings
from vitrine_gateway.queue_bridge import QueueBridge, bridge, serve_queue
from vitrine_orchestrator.embedded.ports import free_port

bullmq = pytest.importorskip("bullmq", reason="the extra bullmq is not installed")
redis_watch = pytest.importorskip("vitrine_gateway.queue_bridge.redis_watch")

NODE, SERVER = shutil.which("node"), shutil.which("redis-server")
FOLDER = os.environ.get("BULLMQ_FOLDER", str(Path(__file__).parents[2] / ".venv" / "bullmq"))
HAS_NODE = NODE is not None and (Path(FOLDER) / "node_modules" / "bullmq").is_dir()


@contextlib.contextmanager
def redis(port, folder):
    """A Redis on this port of loopback that keeps nothing."""
    if SERVER is None:
        pytest.skip("Redis is not installed (Debian: redis-server)")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([SERVER, *options, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory):
    """The port of a Redis."""
    port = free_port()
    with redis(port, tmp_path_factory.mktemp("redis")):
        yield port


@contextlib.asynccontextmanager
async def bridged(gateway):
    """A bridge that serves until the block ends, and is then stopped as SIGTERM stops it."""
    caller = await account_of_settings(gateway.parts)
    task = asyncio.create_task(QueueBridge(gateway.parts, caller).run(1000, 2000))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def queue_of(gateway):
    """The application's side of the queue, with BullMQ's package for Python."""
    settings = gateway.parts.settings
    queue = bullmq.Queue(settings.queue, {"connection": settings.redis})
    try:
        yield queue
    finally:
        await queue.close()


async def ended(queue, job_id):
    """The queued job when it has succeeded or failed."""
    async with asyncio.timeout(30):
        while await queue.getJobState(job_id) not in ("completed", "failed"):
            await asyncio.sleep(0.05)
    return await bullmq.Job.fromId(queue, job_id)


async def begun(gateway):
    """Wait until the gateway has a job."""
    async with asyncio.timeout(30):
        while not await gateway.query(select(Job.id)):
            await asyncio.sleep(0.02)


@pytest.fixture
def serve(start, redis_port):
    """A gateway and the bridge on an empty queue: `async with serve(name) as (gateway, shop)`."""

    @contextlib.asynccontextmanager
    async def served(queue, **values):
        redis = f"redis://127.0.0.1:{redis_port}"
        async with start(redis=redis, queue=queue, old_account="shop", **values) as gateway:
            shop = await gateway.account()
            async with bridged(gateway):
                yield gateway, shop

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
        one = QueueBridge(gateway.parts, await account_of_settings(gateway.parts))
        async with queue_of(gateway) as queue:
            job = await queue.add("try-on", {"userId": "ada", "clothingIds": ["a", "b"]}, {})
            await begun(gateway)
            found = await bullmq.Job.fromId(queue, job.id)
            second = await one._process(found, "another")  # as BullMQ does after a stall
            first = (await ended(queue, job.id)).returnvalue
        assert (first["jobId"], first["success"]) == (second["jobId"], True)
        assert (await gateway.query(select(func.count()).select_from(Job)))[0][0] == 1
        kinds = [
            kind
            for (kind,) in await gateway.query(select(LedgerRow.kind).where(LedgerRow.job_id.is_not(None)))
        ]
        assert sorted(kinds) == ["capture", "hold"]
        assert (await shop.get("/v1/credits")).json()["credits"] == 98  # two garments


async def test_a_bridge_that_stops_puts_its_jobs_back(serve):
    """They wait for another one, with all attempts left; it finds the same job, which is paid once."""
    async with serve("stopped", tries=1) as (gateway, shop):
        gateway.transport.pause_s = 0.05
        async with queue_of(gateway) as queue:
            job = await queue.add("try-on", {"userId": "ada", "clothingId": "a"}, {"attempts": 2})
            await begun(gateway)
            async with bridged(gateway):  # the first one serves the job; this one is idle when it stops
                pass
            assert await queue.getJobState(job.id) == "active"
        stopped = gateway
    async with serve("stopped", tries=1) as (gateway, shop):
        async with queue_of(gateway) as queue:
            done = await ended(queue, job.id)
        assert (done.failedReason, done.attemptsMade, done.stalledCounter) == (None, 1, 0)
        assert stopped.parts.settings.data == gateway.parts.settings.data
        assert await gateway.query(select(Job.id)) == [(done.returnvalue["jobId"],)]
        assert (await shop.get("/v1/credits")).json()["credits"] == 199  # of twice 100


async def test_a_person_is_erased_while_a_queued_job_runs(serve):
    """The queued job fails for good; neither it nor one that was queued before makes a new job."""
    async with serve("erased") as (gateway, shop):
        gateway.transport.pause_s = 0.1
        async with queue_of(gateway) as queue:
            data, opts = {"userId": "ada", "clothingId": "a"}, {"attempts": 3}
            earlier = time.time() - 60
            job = await queue.add("try-on", data, opts)
            await begun(gateway)
            assert (await shop.delete("/v1/people/ada")).status_code == 200
            gone = await ended(queue, job.id)
            assert gone.attemptsMade == 1
            assert gone.failedReason.split(":")[0] in ("canceled", "not_found")  # the erasure does both
            job = await queue.add("try-on", data, {**opts, "timestamp": round(1000 * earlier)})
            late = await ended(queue, job.id)
            assert (late.attemptsMade, "erased" in late.failedReason) == (1, True)
            assert await gateway.query(select(Job.id)) == []
            job = await queue.add("try-on", data, opts)
            assert (await ended(queue, job.id)).returnvalue["success"]


async def test_ids_of_queued_jobs_come_again(serve):
    """A chosen id, however long, and the ids of a Redis that lost its data: each is a job of its own."""
    async with serve("again") as (gateway, _), queue_of(gateway) as queue:
        found = set()
        for garment in ("a", "b"):
            for opts in ({"jobId": "tryon-ada" * 40}, {}):
                job = await queue.add("try-on", {"userId": "ada", "clothingId": garment}, opts)
                found.add((await ended(queue, job.id)).returnvalue["jobId"])
            await queue.obliterate(force=True)
        assert len(found) == 4


async def test_a_failed_job_that_the_application_retries_runs_again(serve):
    """Also with its counts reset; data that it has corrected make a new job."""
    async with serve("retried", tries=1) as (gateway, shop):
        gateway.transport.fake.failures = [BadRequest("no person"), BadRequest("no person")]
        async with queue_of(gateway) as queue:
            job = await queue.add("try-on", {"userId": "ada", "clothingId": "a"}, {})
            for data in ({"userId": "ada", "clothingId": "a"}, {"userId": "ada", "clothingId": "b"}):
                failed = await ended(queue, job.id)
                assert failed.failedReason == "bad_request: no person"
                await failed.updateData(data)
                await failed.retry("failed", {"resetAttemptsMade": True, "resetAttemptsStarted": True})
            assert (await ended(queue, job.id)).returnvalue["success"]
        assert (await shop.get("/v1/credits")).json()["credits"] == 99


async def test_a_canceled_job_that_is_given_out_again_stays_canceled(start, redis_port):
    """After a stall BullMQ is told so; once it was told, a retry makes a new job."""
    url = f"redis://127.0.0.1:{redis_port}"
    async with start(redis=url, queue="canceled", old_account="shop", workers=0) as gateway:
        shop = await gateway.account()
        one = QueueBridge(gateway.parts, await account_of_settings(gateway.parts))
        async with queue_of(gateway) as queue:
            queued = await queue.add("try-on", {"userId": "ada", "clothingId": "a"}, {})
            job, _ = await one._submit(queued)
            await shop.post(f"/v1/jobs/{job.id}/cancel")
            same, again = await one._submit(queued)
            assert (same.id, same.state, again) == (job.id, "canceled", True)
            queued.stacktrace = ["told"]
            other, again = await one._submit(queued)
            assert (other.id != job.id, again) == (True, False)


async def test_jobs_above_the_rate_wait_in_the_queue(serve):
    """Each goes back until there is room, without using its only attempt."""
    async with serve("rate", rate_jobs="2/2") as (gateway, _), queue_of(gateway) as queue:
        data = {"userId": "ada", "clothingId": "a"}
        jobs = [await queue.add("try-on", data, {}) for _ in range(3)]
        done = [await ended(queue, job.id) for job in jobs]
        assert [(one.failedReason, one.attemptsMade) for one in done] == [(None, 1)] * 3


async def test_jobs_wait_for_a_database_that_is_away(serve, monkeypatch):
    """Neither the failure of a submission nor one while the job is watched uses an attempt."""
    monkeypatch.setattr(bridge, "AWAY_S", 0.05)
    away = OperationalError("", None, Exception("it is away"))

    def away_once(name):
        work = getattr(bridge, name)

        async def first_away(*given):
            monkeypatch.setattr(bridge, name, work)
            raise away

        monkeypatch.setattr(bridge, name, first_away)

    async with serve("away") as (gateway, shop):
        away_once("submit")
        away_once("load_job")
        async with queue_of(gateway) as queue:
            job = await queue.add("try-on", {"userId": "ada", "clothingId": "a"}, {})
            done = await ended(queue, job.id)
        assert (done.returnvalue["success"], done.attemptsMade) == (True, 1)
        assert (await shop.get("/v1/credits")).json()["credits"] == 99


@contextlib.asynccontextmanager
async def watching(url):
    """A watch on a Redis, with brief pauses, until the block ends."""
    watch = redis_watch.RedisWatch(url, 0.02)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def logged(logs, count):
    """Wait until so many lines are there."""
    async with asyncio.timeout(30):
        while len(logs) < count:
            await asyncio.sleep(0.01)


async def test_a_redis_that_cannot_be_used_is_told_again_and_again(tmp_path):
    """Where it is and why, without its password; and when it can be used."""
    port = free_port()
    with structlog.testing.capture_logs() as logs:
        async with watching(f"redis://ada:secret@127.0.0.1:{port}?password=secret") as watch:
            await logged(logs, 2)
            with redis(port, tmp_path):  # it has no user ada
                await logged(logs, len(logs) + 2)
                refused = logs[-1]
                assert not watch.answered.is_set()
        async with watching(f"redis://127.0.0.1:{port}") as watch:
            with redis(port, tmp_path):
                await asyncio.wait_for(watch.answered.wait(), 30)
            await logged(logs, len(logs) + 2)
            with redis(port, tmp_path):
                async with asyncio.timeout(30):
                    while logs[-1]["log_level"] != "info":
                        await asyncio.sleep(0.01)
    assert (logs[0]["redis"], "connect" in logs[0]["reason"]) == (f"redis://127.0.0.1:{port}", True)
    assert "invalid username-password" in refused["reason"]
    assert "secret" not in str(logs)


async def test_a_redis_that_may_drop_jobs_is_told(redis_port):
    """BullMQ needs the policy noeviction."""
    client = redis_watch.Redis(port=redis_port)
    await client.config_set("maxmemory-policy", "allkeys-lru")
    with structlog.testing.capture_logs() as logs:
        async with watching(f"redis://127.0.0.1:{redis_port}") as watch:
            await asyncio.wait_for(watch.answered.wait(), 30)
    await client.config_set("maxmemory-policy", "noeviction")
    await client.aclose()
    assert "allkeys-lru" in logs[0]["event"]


async def test_an_address_of_redis_that_its_client_does_not_know(start):
    """It stops the start in one line."""
    for url in ("", "redis://127.0.0.1?socket_timeout=long"):
        async with start(workers=0, old_account="shop", redis=url) as gateway:
            await gateway.account()
            with pytest.raises(BadSettings, match=r"^GATEWAY_REDIS: "):
                await serve_queue(gateway.parts)


def test_redis_is_given_longer_to_answer_than_the_worker_asks_for_a_job():
    """Its client would give up after 5 s, while the worker waits for the next job for up to 10 s."""
    for url in ("redis://h", "unix:///run/redis?db=2"):
        client = redis_watch.Redis.from_url(bridge.patient(url))
        assert client.connection_pool.connection_kwargs["socket_timeout"] > 10
    assert bridge.patient("redis://h?socket_timeout=90") == "redis://h?socket_timeout=90"


async def test_somebody_must_pay_for_the_queue(start):
    """Without a key or an account in the settings the command does not start."""
    async with start(workers=0) as gateway:
        with pytest.raises(BadSettings, match="GATEWAY_KEY"):
            await serve_queue(gateway.parts)
    async with start(workers=0, old_account="nobody") as gateway:
        with pytest.raises(BadSettings, match="nobody"):
            await serve_queue(gateway.parts)
