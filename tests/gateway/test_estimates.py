"""When jobs are expected to end: the forecast by itself, and where callers see it."""

import asyncio
import heapq
import json
import random
import time
from statistics import median

import pytest
from sqlalchemy import select
from vitrine_gateway.database.tables import Account, Job, WorkerProcess
from vitrine_gateway.jobs.forecast import Foreseen, Plan, Running, Times, Waiting, end_of_running

NOW = 1000.0
TIMES = Times({("try_on", "a"): [4.0, 5.0, 6.0], ("try_on", "b"): [10.0]})


def test_jobs_take_places_in_the_order_of_the_queue():
    """Two places, one taken until 1003: the first waiting job begins now, the second when a place is free."""
    running = [Running("r", "try_on", "a", NOW - 2)]
    plan = Plan(NOW, 2, running, TIMES)
    for one in (
        Waiting("1", "try_on", "b", NOW - 9),
        Waiting("2", "try_on", "a", NOW - 8),
        Waiting("3", "try_on", "a", NOW + 60),  # a second try, which is not begun before
        Waiting("4", "cut_out", "", NOW - 7),  # of a pipeline without a past: the others' times count
    ):
        plan.add(one)
    assert plan.foreseen == {
        "1": Foreseen(NOW, NOW + 10),
        "2": Foreseen(NOW + 3, NOW + 8),
        "3": Foreseen(NOW + 60, NOW + 65),
        "4": Foreseen(NOW + 10, NOW + 15.5),
    }


def test_without_places_or_a_past_nothing_is_foreseen():
    """No worker, or no job that has ended: no estimate instead of a wrong one."""
    for places, times in ((0, TIMES), (2, Times())):
        plan = Plan(NOW, places, (), times)
        plan.add(Waiting("1", "try_on", "a", NOW))
        assert plan.foreseen == {}


def test_a_running_job_is_compared_with_those_that_took_as_long():
    """Past the median the longer times count, past all the denoiser's report, which is never undercut."""
    assert end_of_running(Running("r", "try_on", "a", NOW - 1), TIMES, NOW) == NOW + 4
    assert end_of_running(Running("r", "try_on", "a", NOW - 5.5), TIMES, NOW) == NOW + 0.5
    assert end_of_running(Running("r", "try_on", "a", NOW - 9), TIMES, NOW) is None
    assert end_of_running(Running("r", "try_on", "a", NOW - 9, 3.0, NOW - 1), TIMES, NOW) == NOW + 2
    assert end_of_running(Running("r", "try_on", "a", NOW - 1, 9.0, NOW), TIMES, NOW) == NOW + 9


@pytest.mark.parametrize("load", [0.6, 0.95])
def test_the_median_error_under_a_steady_mixed_load(load):
    """Four places, three kinds of jobs whose times vary by a fifth: half of the estimates are within 20 %."""
    draw = random.Random(7)
    typical = {"single": 2.0, "partial": 5.0, "full": 12.0}
    taken = {
        kind: [seconds * draw.lognormvariate(0, 0.2) for _ in range(31)] for kind, seconds in typical.items()
    }
    times = Times({("try_on", kind): several for kind, several in taken.items()})
    between_s = sum(typical.values()) / 3 / 4 / load
    places = [(0.0, None)] * 4  # free at, and the job that runs there
    now, errors, begun = 0.0, [], []  # (begin, end, kind) of all jobs so far
    for number in range(400):
        now += draw.expovariate(1 / between_s)
        kind = draw.choice(list(typical))
        running = [
            Running(str(at), "try_on", one, begin)
            for at, (begin, end, one) in enumerate(begun)
            if begin <= now < end
        ]
        plan = Plan(now, 4, running, times)
        for at, (begin, _, one) in enumerate(begun):
            if begin > now:
                plan.add(Waiting(f"w{at}", "try_on", one, 0.0))
        plan.add(Waiting("new", "try_on", kind, 0.0))
        begin = max(now, places[0][0])
        end = begin + typical[kind] * draw.lognormvariate(0, 0.2)
        heapq.heapreplace(places, (end, None))
        begun.append((begin, end, kind))
        if number > 50:
            errors.append(abs(plan.foreseen["new"].end - end) / (end - now))
    assert median(errors) <= 0.2


async def write_past(gateway):
    """Write that a worker with one place lives, and that a job of five steps took 4 s."""
    async with gateway.parts.database.writing() as session:
        account_id = (await session.scalars(select(Account.id))).one()
        session.add(WorkerProcess(name="other", places=1, seen_at=time.time()))
        ended = {"state": "succeeded", "created_at": 99.0, "started_at": 100.0, "finished_at": 104.0}
        kind = {"pipeline": "try_on", "work": "garment:1 person:1 steps=5", "user": "", "price": 1}
        rest = {"request": {}, "progress": {}, "run_after": 0.0, "tries": 0, "losses": 0}
        flags = {"cancel": False, "hidden": False, "seen": False}
        session.add(Job(id="job_past", account_id=account_id, **ended, **kind, **rest, **flags))


FIVE = {"steps": "5"}
SLACK_S = 20  # of a crowded machine


@pytest.mark.databases
async def test_a_waiting_job_tells_its_end(start, form):
    """The state and the ad server's /status tell the seconds until the end of a waiting job."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        await write_past(gateway)
        jobs = [(await shop.post("/v1/jobs", files=form, data=FIVE)).json() for _ in range(10)]
        for place, job in enumerate(jobs, 1):
            assert 4 * place - SLACK_S < job["eta_seconds"] <= 4 * place
            assert job["queue_position"] == place
        seen = (await shop.get(jobs[-1]["urls"]["self"])).json()
        status = (await shop.get(f"/status/{seen['id']}")).json()
        assert abs(status["eta_seconds"] - seen["eta_seconds"]) < SLACK_S
        assert 0 < seen["eta_seconds"] <= 40
        other = (await shop.post("/v1/jobs", files=form)).json()  # no such job has ended: as others do
        assert jobs[-1]["eta_seconds"] < other["eta_seconds"] <= 44


async def test_the_stream_tells_the_place_and_the_end(start, form):
    """`estimate` has no id, so it is not repeated after Last-Event-ID."""
    async with start(workers=0) as gateway:
        shop = await gateway.account()
        await write_past(gateway)
        ahead, job = [(await shop.post("/v1/jobs", files=form, data=FIVE)).json() for _ in range(2)]
        await shop.post(ahead["urls"]["cancel"])
        stream = asyncio.create_task(shop.get(job["urls"]["events"]))
        while job["id"] not in gateway.parts.bells.awaited:
            await asyncio.sleep(0.02)
        await shop.post(job["urls"]["cancel"])
        told = (await stream).text.splitlines()
        kinds = [line.removeprefix("event: ") for line in told if line.startswith("event: ")]
        assert kinds == ["queued", "estimate", "canceled"]
        data = json.loads(told[told.index("event: estimate") + 1].removeprefix("data: "))
        assert (data["queue_position"], data["step_eta_seconds"]) == (1, None)
        assert 0 <= data["eta_seconds"] <= 8  # the canceled job may still count, for a second


async def test_a_running_job_tells_the_end_of_its_step(start, form):
    """Progress has the denoiser's own estimate; a worker is counted while it lives and forgotten after."""
    async with start() as gateway:
        gateway.transport.pause_s = 0.2
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", data={"steps": "50"}, files=form)).json()
        seen = job
        while not seen["progress"]:
            seen = (await shop.get(job["urls"]["self"])).json()
        assert seen["step_eta_seconds"] == 0  # the fake says that nothing is left
        assert seen["eta_seconds"] >= 0
        assert seen["progress"]["eta_seconds"] >= 0
        assert await gateway.query(select(WorkerProcess.places)) == [(2,)]
        await shop.post(job["urls"]["cancel"])
    async with start(workers=0) as gateway:
        assert await gateway.query(select(WorkerProcess.places)) == []
