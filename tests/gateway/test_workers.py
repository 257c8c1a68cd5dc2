"""Retries, lost leases, and workers that are killed."""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from vitrine import BadRequest, Busy, StageFailed, Unavailable
from vitrine_gateway.database.tables import File, Job, JobEvent, LedgerRow, WorkerProcess
from vitrine_gateway.jobs import endings, leasing, states, worker
from vitrine_gateway.jobs.state_names import ENDED, SUCCEEDED

WAIT = {"Prefer": "wait=30"}
JOBS, KILLS = 8, 4


@pytest.fixture
def quick_pauses(monkeypatch):
    """Pauses between tries of milliseconds."""
    monkeypatch.setattr(endings, "FIRST_PAUSE_S", 0.02)


@pytest.mark.parametrize("error", [Busy("full"), StageFailed("pose", "no memory")])
async def test_a_failure_that_may_pass_is_tried_again(gateway, shop, form, error, quick_pauses):
    """Two failures and a success: one charge, and the events tell both failures."""
    gateway.transport.fake.failures = [error, error]
    job = (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()
    assert (job["status"], job["tries"]) == ("succeeded", 2)
    kinds = [kind for (kind,) in await gateway.query(select(JobEvent.kind).order_by(JobEvent.number))]
    assert kinds.count("retrying") == 2
    assert (await shop.get("/v1/credits")).json()["credits"] == 99


async def test_a_lost_server_takes_no_try(gateway, shop, form):
    """While the server is away jobs wait for it: three deaths of it during a job are losses and no tries."""
    gateway.transport.fake.failures = [Unavailable("gone")] * 6  # of each try, and of the look after it
    job = (await shop.post("/v1/jobs", files=form)).json()
    while gateway.transport.fake.failures:
        await asyncio.sleep(0.05)
        async with gateway.parts.database.writing() as session:
            await session.execute(update(Job).values(run_after=0.0))
    done = (await shop.get(job["urls"]["self"], headers=WAIT)).json()
    assert (done["status"], done["tries"]) == ("succeeded", 0)
    assert (await shop.get("/v1/credits")).json()["credits"] == 99


async def test_an_answering_server_that_refuses_takes_tries(gateway, shop, form, quick_pauses):
    """A model that is unavailable while the server runs pipelines is an error of the job: three tries."""
    fake, models = gateway.transport.fake, gateway.transport.models
    gateway.transport.models = lambda **named: models(**named) if not fake.failures else served(models, fake)
    fake.failures = [Unavailable("the stub does not answer")] * 3
    job = (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()
    assert (job["status"], job["tries"], job["error"]["code"]) == ("failed", 2, "unavailable")


async def served(models, fake):
    """What the server says of its models while its requests fail."""
    fake.failures, kept = [], fake.failures
    try:
        return await models(timeout_s=1.0)
    finally:
        fake.failures = kept


async def test_a_busy_workers_lost_lease_is_forgiven(start, form):
    """A lease that ran out while its worker lived counts as a loss until that worker is heard of again."""
    async with start(workers=1, lease_s=0.5) as gateway:
        gateway.transport.pause_s = 0.05
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form, data={"steps": "20"})).json()
        while not await gateway.query(select(Job.id).where(Job.state == "running")):
            await asyncio.sleep(0.02)
        async with gateway.parts.database.writing() as session:
            await session.execute(update(Job).values(lease_until=1.0))
            assert await leasing.requeue_lost(session) == 1
        done = (await shop.get(job["urls"]["self"], headers=WAIT)).json()
        assert done["status"] == "succeeded"
        assert await gateway.query(select(Job.losses, Job.tries)) == [(0, 0)]


async def test_a_store_of_pictures_that_fails_takes_tries(gateway, shop, form, quick_pauses, monkeypatch):
    """A result that cannot be kept is a failure of its try, not a lost worker: three drawings at most."""
    put, full = gateway.parts.pictures.put, Unavailable("the folder of pictures fails: disk full")

    async def refuses(path, content):
        if gateway.transport.fake.calls:  # the uploads came before
            raise full
        await put(path, content)

    monkeypatch.setattr(gateway.parts.pictures, "put", refuses)
    job = (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()
    assert (job["status"], job["tries"], job["error"]["code"]) == ("failed", 2, "unavailable")
    assert job["error"]["detail"] == str(full)
    assert await gateway.query(select(Job.losses)) == [(0,)]
    drawn = [call for call in gateway.transport.fake.calls if call.model != "models"]
    assert len(drawn) == 3
    assert (await shop.get("/v1/credits")).json()["credits"] == 100


@pytest.mark.databases
async def test_after_three_tries_the_job_fails_and_costs_nothing(gateway, shop, form, quick_pauses):
    """The third failure is the last; the job holds its problem."""
    gateway.transport.fake.failures = [Busy("full")] * 9
    job = (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()
    assert (job["status"], job["error"]["code"], job["error"]["detail"]) == ("failed", "busy", "full")
    assert len(gateway.transport.fake.calls) == 3
    assert (await shop.get("/v1/credits")).json()["credits"] == 100
    assert await gateway.unbalanced() == []


async def test_a_callers_mistake_is_not_tried_again(gateway, shop, form):
    """A refused request fails at once."""
    gateway.transport.fake.failures = [BadRequest("steps must be 1 to 100, got 0")]
    job = (await shop.post("/v1/jobs", files=form, headers=WAIT)).json()
    assert (job["status"], job["error"]["code"]) == ("failed", "bad_request")
    assert len(gateway.transport.fake.calls) == 1


async def test_the_pauses_are_2_4_8_seconds(start, form):
    """A job that failed once waits 2 s, then 4, then 8."""
    async with start(tries=4) as gateway:
        shop = await gateway.account()
        gateway.transport.fake.failures = [Busy("full")] * 3
        job = (await shop.post("/v1/jobs", files=form)).json()
        pauses = []
        while len(pauses) < 3:
            await asyncio.sleep(0.02)
            events = await gateway.query(
                select(JobEvent.data).where(JobEvent.kind == "retrying").order_by(JobEvent.number)
            )
            if len(events) > len(pauses):
                pauses = [data["after_s"] for (data,) in events]
                async with gateway.parts.database.writing() as session:
                    await session.execute(update(Job).values(run_after=0.0))
        assert pauses == [2, 4, 8]
        assert (await shop.get(job["urls"]["self"], headers=WAIT)).json()["status"] == "succeeded"


@pytest.mark.databases
async def test_two_workers_never_get_one_job(start, form):
    """Many leases at the same moment give each job once."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        for _ in range(5):
            await shop.post("/v1/jobs", files=form)

        async def lease(name):
            async with gateway.parts.database.writing() as session:
                return await leasing.lease_next(session, name, 30.0)

        leased = await asyncio.gather(*(lease(f"w{number}") for number in range(8)))
        ids = [job.id for job in leased if job]
        assert len(ids) == len(set(ids)) == 5


@pytest.mark.databases
async def test_a_worker_that_lost_its_lease_changes_nothing(start, form):
    """When a lease has run out and another worker has the job, the first one cannot end it."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        await shop.post("/v1/jobs", files=form)
        database = gateway.parts.database
        async with database.writing() as session:
            slow = await leasing.lease_next(session, "slow", -1.0)
        async with database.writing() as session:
            assert await leasing.requeue_lost(session) == 1
            quick = await leasing.lease_next(session, "quick", 30.0)
        assert (slow.id, quick.losses) == (quick.id, 1)
        image = {"image": {"file_id": "file_x"}}
        async with database.writing() as session:
            assert await states.end(session, slow.id, SUCCEEDED, lease=slow.lease, result=image) is None
            assert not await states.put_back(session, slow.id, slow.lease, after_s=0, error={"code": "x"})
            assert await leasing.renew(session, [slow.lease, quick.lease], 30.0) == {quick.lease}
        async with database.writing() as session:
            assert await states.end(session, slow.id, SUCCEEDED, lease=quick.lease, result=image)
        assert await gateway.unbalanced() == []


@pytest.mark.databases
async def test_a_clock_that_is_set_back_delays_no_job(start, form):
    """Times of before it, an hour ahead, count as past: of new jobs, of those that wait and of leases."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        first = (await shop.post("/v1/jobs", files=form)).json()
        assert await gateway.query(select(Job.run_after)) == [(0.0,)]
        database, ahead = gateway.parts.database, time.time() + 3600
        for state, values in (("queued", {"run_after": ahead}), ("running", {"lease_until": ahead})):
            async with database.writing() as session:
                await session.execute(update(Job).values(state=state, **values))
            assert await database.read(leasing.is_anything_due)
            async with database.writing() as session:
                await leasing.requeue_lost(session)
                leased = await leasing.lease_next(session, "any", 30.0)
            assert leased.id == first["id"]
            assert not await database.read(leasing.is_anything_due)


async def test_workers_of_alike_containers_have_names_of_their_own(start, monkeypatch):
    """Pods of a deployment have long names that begin alike, and one process id."""
    monkeypatch.setattr(worker.socket, "gethostname", lambda: "vitrine-gateway-6c9f7d8b5-x2k4p")
    async with start(workers=0) as gateway:
        for _ in range(2):
            await worker.Worker(gateway.parts)._watch()
        names = [name for (name,) in await gateway.query(select(WorkerProcess.name))]
    assert len(names) == 2


async def test_a_job_that_kills_its_workers_ends(start, form, monkeypatch):
    """After ten lost leases the job fails as `worker_lost` and is refunded; the pauses between them grow."""
    assert [leasing.loss_pause_s(losses) > 0 for losses in (1, 2, 3)] == [False, True, True]
    monkeypatch.setattr(leasing, "LOSS_PAUSES_S", (0.0,))
    async with start(workers=0) as first:
        shop = await first.account()
        job = (await shop.post("/v1/jobs", files=form)).json()
        for _ in range(leasing.MAX_LOSSES + 1):
            async with first.parts.database.writing() as session:
                await leasing.requeue_lost(session)
                await leasing.lease_next(session, "dead", -1.0)
        task = asyncio.create_task(worker.Worker(first.parts).run())
        first.parts.settings.__dict__["workers"] = 1
        done = (await shop.get(job["urls"]["self"], headers=WAIT)).json()
        task.cancel()
        assert (done["status"], done["error"]["code"]) == ("failed", "worker_lost")
        assert (await shop.get("/v1/credits")).json()["credits"] == 100


async def test_a_stopped_gateway_gives_its_jobs_back(start, form):
    """A clean stop queues running jobs again without counting a try; the next process finishes them."""
    async with start() as gateway:
        gateway.transport.pause_s = 0.5
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form)).json()
        while (await shop.get(job["urls"]["self"])).json()["status"] == "queued":
            await asyncio.sleep(0.02)
        headers = dict(shop.headers)
    async with start() as gateway:
        done = (await gateway.client(headers).get(job["urls"]["self"], headers=WAIT)).json()
        assert (done["status"], done["tries"]) == ("succeeded", 0)


@pytest.mark.databases
async def test_a_worker_that_stops_while_it_leases_gives_the_job_back(start, form, monkeypatch):
    """It is cancelled when the lease is about to be committed; the job is queued again, without a loss."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        await shop.post("/v1/jobs", files=form)
        lease_next = leasing.lease_next

        async def cancelled(*arguments):
            job = await lease_next(*arguments)
            if job is not None:
                asyncio.get_running_loop().call_soon(task.cancel)
            return job

        monkeypatch.setattr(leasing, "lease_next", cancelled)
        gateway.parts.settings.__dict__["workers"] = 1
        task = asyncio.create_task(worker.Worker(gateway.parts).run())
        with pytest.raises(asyncio.CancelledError):
            await task
        states = await gateway.query(select(Job.state, Job.tries, Job.losses, Job.lease))
        assert states == [("queued", 0, 0, None)]
        assert gateway.transport.fake.calls == []


async def test_a_worker_that_stops_while_it_looks_for_a_failures_reason_gives_the_job_back(start, form):
    """A try has failed and the server is asked why when the gateway stops: the job waits, without a loss."""
    async with start(workers=1) as gateway:
        shop = await gateway.account()
        asked = asyncio.Event()
        gateway.transport.fake.failures = [Unavailable("gone")]

        async def silent(**named):
            asked.set()
            await asyncio.sleep(60)

        await asyncio.sleep(0.1)  # the worker's own look at the server is over
        gateway.transport.models = silent
        await shop.post("/v1/jobs", files=form)
        await asyncio.wait_for(asked.wait(), 20)
    async with start(workers=0) as gateway:
        states = await gateway.query(select(Job.state, Job.tries, Job.losses, Job.lease))
        assert states == [("queued", 0, 0, None)]


@pytest.mark.databases
async def test_killed_workers_lose_nothing_and_charge_once(start, form, tmp_path):
    """Workers are killed by SIGKILL at random moments under load; every job succeeds, paid once."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        with Workers(tmp_path / "data", gateway.parts.settings.database_url) as workers:
            running = [workers.start(), workers.start()]
            ids = [(await shop.post("/v1/jobs", files=form)).json()["id"] for _ in range(JOBS)]
            for kill in range(KILLS):
                await asyncio.sleep(random.Random(kill).uniform(0.3, 0.9))
                os.kill(running.pop(0), signal.SIGKILL)
                running.append(workers.start())
            until = time.monotonic() + 60
            while await unfinished(gateway) and time.monotonic() < until:
                await asyncio.sleep(0.1)
        await check_expected_state(gateway, shop, ids)
        losses = (await gateway.query(select(func.sum(Job.losses))))[0][0]
        assert losses > 0, "no kill met a running job: the test has shown nothing"


class Workers:
    """Starts worker processes on the client's fake; ends them all with the block."""

    def __init__(self, data, url):
        self.pids = []
        script = Path(__file__).with_name("worker_process.py")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.parent = subprocess.Popen([sys.executable, script, data, url], text=True, **pipes)

    def start(self):
        """Start one worker and return its process id."""
        self.parent.stdin.write("start\n")
        self.parent.stdin.flush()
        self.pids.append(int(self.parent.stdout.readline()))
        return self.pids[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.parent.communicate(timeout=10)


async def unfinished(gateway):
    """The number of jobs that have not ended."""
    return (await gateway.query(select(func.count()).where(Job.state.not_in(ENDED))))[0][0]


async def check_expected_state(gateway, shop, ids):
    """Every job succeeded; each has one hold, one capture, one result; the balance is right."""
    jobs = {job.id: job for (job,) in await gateway.query(select(Job))}
    assert set(jobs) == set(ids)
    assert {job.state for job in jobs.values()} == {"succeeded"}
    rows = await gateway.query(select(LedgerRow.job_id, LedgerRow.kind).where(LedgerRow.job_id.is_not(None)))
    assert sorted(map(tuple, rows)) == sorted((one, kind) for one in ids for kind in ("hold", "capture"))
    assert (await shop.get("/v1/credits")).json()["credits"] == 100 - len(ids)
    assert await gateway.unbalanced() == []
    results = {file.id for (file,) in await gateway.query(select(File).where(File.kind == "result"))}
    assert results == {job.result["image"]["file_id"] for job in jobs.values()}
    for (path,) in await gateway.query(select(File.path)):
        assert await gateway.parts.pictures.get(path)
    ends = await gateway.query(
        select(JobEvent.job_id, func.count()).where(JobEvent.kind == "succeeded").group_by(JobEvent.job_id)
    )
    assert sorted(map(tuple, ends)) == sorted((one, 1) for one in ids)
