"""When jobs are expected to end: the forecast by itself, and where callers see it."""

import asyncio
import json
import random
import time
from math import inf
from statistics import median

import pytest
from sqlalchemy import select
from vitrine_gateway.database.tables import Account, Job, WorkerProcess
from vitrine_gateway.jobs.estimates import Forecast
from vitrine_gateway.jobs.forecast import Foreseen, Plan, Running, RunningJobs, Times, Waiting
from vitrine_gateway.jobs.slowdown import Past, Service, served, slowdown_of

NOW = 1000.0
TIMES = Times({("try_on", "a"): [4.0, 5.0, 6.0], ("try_on", "b"): [10.0]})


def test_jobs_take_places_in_the_order_of_the_queue():
    """Two places, one taken until 1003: the first waiting job begins now, the second when a place is free."""
    plan = Plan(NOW, 2, {"r": 3.0}, TIMES)
    waiting = [
        Waiting("1", "try_on", "b", NOW - 9),
        Waiting("2", "try_on", "a", NOW - 8),
        Waiting("3", "try_on", "a", NOW + 60),  # a second try, which is not begun before
        Waiting("4", "cut_out", "", NOW - 7),  # of a pipeline without a past: the others' times count
    ]
    plan.add(*waiting)
    assert plan.foreseen == {
        "r": Foreseen(NOW, NOW + 3),
        "1": Foreseen(NOW, NOW + 10),
        "2": Foreseen(NOW + 3, NOW + 8),
        "3": Foreseen(NOW + 60, NOW + 65),
        "4": Foreseen(NOW + 8, NOW + 13.5),
    }
    one_by_one = Plan(NOW, 2, {"r": 3.0}, TIMES)
    for one in waiting:
        one_by_one.add(one)
    assert one_by_one.foreseen == plan.foreseen


def test_jobs_that_run_together_are_slower():
    """Two share one server: both at half the speed until the first ends, whose place the third takes."""
    plan = Plan(NOW, 2, {"r": 1.0}, Times({("try_on", "a"): [4.0]}, 1.0))
    plan.add(Waiting("1", "try_on", "a", NOW))
    assert plan.foreseen == {"r": Foreseen(NOW, NOW + 2), "1": Foreseen(NOW, NOW + 5)}
    plan.add(Waiting("2", "try_on", "a", NOW))
    assert plan.foreseen["1"] == Foreseen(NOW, NOW + 8)
    assert plan.foreseen["2"] == Foreseen(NOW + 2, NOW + 9)


def test_time_passes_before_a_later_job_is_added():
    """The first has ended by then, and of the second half is left, which shares the server with the third."""
    plan = Plan(NOW, 2, {"r": 1.0, "s": 3.0}, Times({("try_on", "a"): [4.0]}, 1.0))
    plan.pass_until(NOW + 3)
    plan.add(Waiting("1", "try_on", "a", NOW))
    assert plan.foreseen["r"] == Foreseen(NOW, NOW + 2)
    assert plan.foreseen["s"] == Foreseen(NOW, NOW + 5)
    assert plan.foreseen["1"] == Foreseen(NOW + 3, NOW + 8)
    plan.pass_until(NOW + 20)
    plan.add(Waiting("2", "try_on", "a", NOW))
    assert plan.foreseen["2"] == Foreseen(NOW + 20, NOW + 24)


def test_without_places_or_a_past_nothing_is_foreseen():
    """No worker, or no job that has ended: no estimate instead of a wrong one."""
    for places, times in ((0, TIMES), (2, Times())):
        plan = Plan(NOW, places, {}, times)
        plan.add(Waiting("1", "try_on", "a", NOW))
        assert plan.foreseen == {}


@pytest.mark.parametrize(
    ("served_s", "report", "left_s"),
    [
        (1.0, (), 4.0),
        (5.5, (), 0.5),  # past the median the longer times count
        (9.0, (), None),
        (9.0, (3.0, NOW - 1), 2.0),  # past all the denoiser's report
        (1.0, (9.0, NOW), 9.0),  # which is never undercut
    ],
)
def test_a_running_job_is_compared_with_those_that_needed_as_much(served_s, report, left_s):
    """Its report counts in seconds of the clock, of which it gets half where two share a server."""
    job = Running("r", "try_on", "a", NOW - served_s, *report)
    assert TIMES.left_of(job, NOW, served_s, 1.0) == left_s
    if report:
        assert TIMES.left_of(job, NOW, 9.0, 0.5) == left_s / 2


def test_service_counts_less_while_others_run():
    """Alone until 10 and from 14, with another one from 10 to 14 at two thirds of the speed."""
    service = Service([(5.0, inf), (10.0, 14.0)], 0.5)
    assert service.between(5.0, 10.0) == 5.0
    assert service.between(10.0, 14.0) == pytest.approx(4 / 1.5)
    assert service.between(8.0, 16.0) == pytest.approx(2 + 4 / 1.5 + 2)
    assert service.between(1.0, 5.0) == 4.0  # before all that is known
    assert Service([], 0.5).between(1.0, 3.0) == 2.0


TYPICAL = {"single": 2.0, "partial": 5.0, "full": 12.0}


class Shared:
    """A server with places for jobs that slow each other down; the truth that the forecast is judged by."""

    def __init__(self, places, slowdown):
        self.places, self.slowdown, self.now = places, slowdown, 0.0
        self.left, self.queue = {}, []  # job → seconds of service that it needs, and [job, needs] that wait
        self.begun, self.ended = {}, {}

    def run_until(self, time):
        """Let time pass."""
        while self.left:
            job = min(self.left, key=self.left.get)
            speed = 1 / (1 + self.slowdown * (len(self.left) - 1))
            passes = min(self.left[job] / speed, time - self.now)
            self.now += passes
            self.left = {one: needs - passes * speed for one, needs in self.left.items()}
            if self.now >= time:
                return
            del self.left[job]
            self.ended[job] = self.now
            self._begin()
        self.now = time

    def submit(self, job, needs):
        """Add a job to the queue."""
        self.queue.append((job, needs))
        self._begin()

    def _begin(self):
        while self.queue and len(self.left) < self.places:
            job, needs = self.queue.pop(0)
            self.left[job], self.begun[job] = needs, self.now


@pytest.mark.parametrize(("load", "slowdown"), [(0.6, 0.0), (0.95, 0.0), (0.5, 0.7), (0.7, 0.4)])
def test_the_median_error_under_a_steady_mixed_load(load, slowdown):
    """Four places, three kinds of jobs whose needs vary by a fifth: half of the estimates are within 20 %."""
    draw, server, kinds = random.Random(7), Shared(4, slowdown), {}
    between_s = sum(TYPICAL.values()) / 3 / 4 * (1 + 3 * slowdown) / load
    foreseen, found = {}, 0.0
    for number in range(400):
        server.run_until(server.now + draw.expovariate(1 / between_s))
        now, job = server.now, str(number)
        kinds[job] = draw.choice(list(TYPICAL))
        ended = [Past("try_on", kinds[one], server.begun[one], end) for one, end in server.ended.items()]
        past = ended[-200:]
        if number % 20 == 0:
            found = slowdown_of(past)
        times = Times(served(past, found), found)
        running = [Running(one, "try_on", kinds[one], server.begun[one]) for one in server.left]
        together = RunningJobs(running, past, found)
        plan = Plan(now, 4, {one.id: together.left(one, now, times) for one in running}, times)
        plan.add(*(Waiting(one, "try_on", kinds[one], 0.0) for one, _ in server.queue))
        plan.add(Waiting(job, "try_on", kinds[job], 0.0))
        foreseen[job] = (now, plan.foreseen.get(job))
        server.submit(job, TYPICAL[kinds[job]] * draw.lognormvariate(0, 0.2))
    server.run_until(inf)
    errors = [
        abs(foreseen[job][1].end - end) / (end - foreseen[job][0])
        for job, end in server.ended.items()
        if int(job) > 50
    ]
    assert median(errors) <= 0.2
    assert abs(found - slowdown) <= 0.2


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


class Held(Forecast):
    """A forecast whose look into the database lasts until a test ends it."""

    def __init__(self):
        super().__init__(database=None, lease_s=30.0)
        self.looks, self.end = 0, asyncio.Event()

    async def _read(self):
        self.looks += 1
        await self.end.wait()
        self._next_plan = time.monotonic() + 60


async def test_callers_do_not_wait_while_the_plan_is_made_again():
    """One look for all of them; only a plan that is too old to use is awaited, by all who ask."""
    forecast, job = Held(), Job(id="j", state="queued")
    forecast._planned = {"j"}
    first = [asyncio.create_task(forecast.estimate(job)) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert not any(task.done() for task in first)
    forecast.end.set()
    await asyncio.gather(*first)
    forecast.end.clear()
    forecast._next_plan = time.monotonic()
    await asyncio.wait_for(forecast.estimate(job), 1)
    await asyncio.wait_for(forecast.estimate(job), 1)
    assert forecast.looks == 2
    await forecast.close()


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
