"""The denoise service: jobs from any thread, one answer each, progress, and refusal when full."""

import json
import threading
import time
from concurrent.futures import Future

import numpy as np
import pytest
from vitrine.errors import BadRequest, Busy, Cancelled, NotFound, StageFailed, Unavailable
from vitrine_orchestrator.batching.denoise_model import DenoiseModel
from vitrine_orchestrator.batching.service import DenoiseService
from vitrine_orchestrator.batching.settings import DenoiseSettings
from vitrine_orchestrator.settings import BadSettings
from vitrine_orchestrator.try_on.engine.fake import FakeEngine
from vitrine_orchestrator.try_on.facts import FAMILY

WAIT_S = 60


class Gate:
    """An engine that stops before each denoising call until the test continues it."""

    def __init__(self):
        self.permits, self.arrived = threading.Semaphore(0), threading.Semaphore(0)
        self.rows = []

    def __call__(self, call, rows):
        if call == "predict":
            self.rows.append(rows)
            self.arrived.release()
            assert self.permits.acquire(timeout=WAIT_S)

    def reached(self):
        assert self.arrived.acquire(timeout=WAIT_S)

    def open(self, calls=10_000):
        self.permits.release(calls)


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def serve(jobs):
    """Starts services, and closes them at the end."""
    started = []

    def start(engine=None, **kwargs):
        programs = {FAMILY: jobs.program(engine or FakeEngine())}
        started.append(DenoiseService(programs, **kwargs))
        return started[-1]

    yield start
    for service in started:
        service.close(WAIT_S)


def run(service, request, **kwargs):
    answer = Future()
    service.submit(request, answer.set_result, **kwargs)
    return answer


def watch(service, name, after_step):
    answer = Future()
    service.poll(name, after_step, answer.set_result)
    return answer


def test_jobs_from_many_threads_each_get_their_own_answer(serve, jobs):
    """Of 24 jobs from 8 threads all are right, and they shared calls."""
    service = serve()
    requests = [jobs.request(seed=i, steps=3 + i % 4, garment=i % 3) for i in range(24)]
    answers = [Future() for _ in requests]

    def submit(start):
        for index in range(start, 24, 8):
            service.submit(requests[index], answers[index].set_result)

    threads = [threading.Thread(target=submit, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for request, answer in zip(requests, answers, strict=True):
        np.testing.assert_array_equal(answer.result(WAIT_S).latents, jobs.expected(request))
    assert max(service.counters.calls) > 1
    assert service.counters.jobs == {"done": 24}


def test_a_full_queue_says_busy_at_once(serve, jobs, gate):
    """A job above the limit is refused with the limit and the number in flight; the others finish."""
    service = serve(FakeEngine(before=gate), settings=DenoiseSettings(in_flight=2))
    accepted = [run(service, jobs.request(seed=i)) for i in range(2)]
    with pytest.raises(Busy, match="2 jobs are in flight, the limit is 2"):
        run(service, jobs.request(seed=2))
    gate.open()
    assert [answer.result(WAIT_S).state for answer in accepted] == ["done", "done"]
    assert run(service, jobs.request(seed=2)).result(WAIT_S).state == "done"
    assert service.counters.jobs == {"done": 3, "busy": 1}


def test_a_job_that_arrives_while_others_run_shares_their_next_step(serve, jobs, gate):
    """The new job starts within one step."""
    service = serve(FakeEngine(before=gate))
    early = [run(service, jobs.request(seed=i, steps=3)) for i in range(1)]
    gate.reached()
    late = run(service, jobs.request(seed=9, steps=2))
    gate.open()
    for answer in (*early, late):
        answer.result(WAIT_S)
    assert gate.rows[:2] == [1, 2]


def test_a_caller_that_went_away_is_noticed(serve, jobs, gate, clock):
    """The service calls `is_cancelled` between steps; a cancelled job leaves with an error."""
    service = serve(FakeEngine(before=gate), clock=clock)
    answer = Future()
    job = service.submit(jobs.request(), answer.set_result, is_cancelled=lambda: True)
    gate.reached()
    clock.now += 1
    gate.open(1)
    while not job.cancelled:
        time.sleep(0.001)
    gate.open()
    assert isinstance(answer.result(WAIT_S).error, Cancelled)


def test_a_job_can_be_cancelled_by_name(serve, jobs, gate):
    """The job leaves before the next step; an unknown name is NotFound."""
    service = serve(FakeEngine(before=gate))
    answer = run(service, jobs.request(name="mine"))
    gate.reached()
    service.cancel("mine")
    gate.open()
    assert isinstance(answer.result(WAIT_S).error, Cancelled)
    assert gate.rows == [1]
    with pytest.raises(NotFound, match="'mine'"):
        service.cancel("mine")


def test_a_name_in_use_is_refused(serve, jobs, gate):
    """Two running jobs cannot share a name, which is free again afterwards."""
    service = serve(FakeEngine(before=gate))
    first = run(service, jobs.request(name="mine"))
    with pytest.raises(BadRequest, match="'mine'"):
        run(service, jobs.request(name="mine"))
    gate.open()
    first.result(WAIT_S)
    assert run(service, jobs.request(name="mine")).result(WAIT_S).state == "done"


def test_a_job_too_long_in_the_queue_is_busy(serve, jobs, gate):
    """The time limit counts from submission."""
    service = serve(FakeEngine(before=gate), settings=DenoiseSettings(max_running=1))
    running = run(service, jobs.request())
    gate.reached()
    waiting = run(service, jobs.request(seed=1), within_s=0.0)
    gate.open()
    assert isinstance(waiting.result(WAIT_S).error, Busy)
    assert running.result(WAIT_S).state == "done"


def test_a_failed_loop_fails_its_jobs_and_goes_on(serve, jobs):
    """An engine that returns too few rows fails the jobs of its call, and the service continues."""

    class Short(FakeEngine):
        def garment(self, latents, timesteps, prompts):
            rows = super().garment(latents, timesteps, prompts)
            return rows[:-1] if self.calls["garment"] == 1 else rows

    service = serve(Short())
    assert isinstance(run(service, jobs.request()).result(WAIT_S).error, StageFailed)
    assert run(service, jobs.request(seed=1)).result(WAIT_S).state == "done"


def test_a_watch_answers_when_the_job_has_passed_its_step(serve, jobs, gate):
    """Progress has step, steps, seconds and the estimate of the latents."""
    service = serve(FakeEngine(before=gate))
    run(service, jobs.request(name="mine", steps=4))
    gate.reached()
    at_once, later = watch(service, "mine", -1), watch(service, "mine", 1)
    gate.open(1)
    first = at_once.result(WAIT_S)
    gate.open(1)
    second = later.result(WAIT_S)
    assert (first.state, first.steps, second.step) == ("running", 4, 2)
    assert second.clean.shape == (4, 8, 4)
    assert second.left_s >= 0
    gate.open()


def test_a_watch_of_an_ended_job_answers_at_once(serve, jobs):
    """The last progress is kept, so a late watch does not wait."""
    service = serve()
    run(service, jobs.request(name="mine")).result(WAIT_S)
    seen = watch(service, "mine", 50).result(WAIT_S)
    assert (seen.state, seen.step, seen.left_s, seen.clean) == ("done", 4, 0, None)


def test_a_watch_may_come_before_its_job(serve, jobs):
    """A watch waits for its job, and raises NotFound only after its own limit."""
    service = serve()
    early = watch(service, "mine", 3)
    run(service, jobs.request(name="mine"))
    assert early.result(WAIT_S).state == "done"
    impatient = serve(poll_timeout_s=0.01)
    assert isinstance(watch(impatient, "nobody", 0).result(WAIT_S), NotFound)


def test_a_watch_that_waited_long_gets_the_progress_so_far(serve, jobs, gate):
    """A long poll returns the progress so far even if no step has ended."""
    service = serve(FakeEngine(before=gate), poll_timeout_s=0.0)
    run(service, jobs.request(name="mine"))
    answer = watch(service, "mine", 99)
    gate.open(1)
    assert answer.result(WAIT_S).step <= 1
    gate.open()


def test_closing_finishes_what_is_in_flight(serve, jobs):
    """Accepted jobs are answered, and new ones are refused."""
    service = serve()
    answers = [run(service, jobs.request(seed=i)) for i in range(12)]
    service.close(WAIT_S)
    assert {answer.result(0).state for answer in answers} == {"done"}
    with pytest.raises(Unavailable, match="shutting down"):
        run(service, jobs.request())


def front(service, jobs):
    return DenoiseModel(service)


def ask(front, arrays, **kwargs):
    answer = Future()
    front.handle(arrays, answer.set_result, **kwargs)
    return answer.result(WAIT_S)


def test_the_front_answers_a_job_with_latents_and_a_report(serve, jobs):
    """The model takes a job's arrays and returns latents and a report."""
    outputs = ask(front(serve(), jobs), jobs.arrays(name="mine", steps=3))
    np.testing.assert_array_equal(outputs["latents"], jobs.expected(jobs.request(steps=3)))
    report = json.loads(outputs["report"][0])
    assert (report["job"], report["steps"]) == ("mine", 3)


def test_the_front_answers_a_watch(serve, jobs):
    """The inputs `job` and `after_step` together make a watch; of an ended job no latents are kept."""
    one = front(serve(), jobs)
    ask(one, jobs.arrays(name="mine"))
    asked = {"job": np.array([b"mine"], object), "after_step": np.array([0], np.int32)}
    outputs = ask(one, asked)
    assert json.loads(outputs["report"][0])["state"] == "done"
    assert "latents" not in outputs
    with pytest.raises(BadRequest, match="job is missing"):
        raise ask(one, {"after_step": asked["after_step"]})


def test_the_front_answers_a_cancellation(serve, jobs):
    """The input `cancel` ends the named job."""
    one = front(serve(), jobs)
    with pytest.raises(NotFound, match="'mine'"):
        raise ask(one, {"job": np.array([b"mine"], object), "cancel": np.array([True])})


def test_a_refused_request_does_not_cancel_the_job_whose_name_it_wanted(serve, jobs, gate):
    """A cancellation with a submission ends only the job that was submitted with the same one."""
    one = front(serve(FakeEngine(before=gate)), jobs)
    first, cancelled = Future(), {"cancel": np.array([True])}
    names = [
        {"job": np.array([b"mine"], object), "submission": np.array([who], object)} for who in (b"a", b"b")
    ]
    one.handle(jobs.arrays(name="mine") | names[0], first.set_result)
    gate.reached()
    with pytest.raises(BadRequest, match="'mine'"):
        raise ask(one, jobs.arrays(name="mine") | names[1])
    with pytest.raises(NotFound, match="'mine'"):
        raise ask(one, names[1] | cancelled)
    assert "report" in ask(one, names[0] | cancelled)
    gate.open()
    assert isinstance(first.result(WAIT_S), Cancelled)


def test_the_front_answers_a_bad_request_at_once(serve, jobs):
    """A refusal is answered like any other request."""
    with pytest.raises(BadRequest, match="steps must be 1 to 100, got 0"):
        raise ask(front(serve(), jobs), jobs.arrays() | {"steps": np.array([0], np.int32)})


def test_a_family_that_is_not_served_is_refused(serve, jobs):
    """The message lists the served families."""
    asked = jobs.arrays() | {"family": np.array([b"other"], object)}
    with pytest.raises(BadRequest, match=r"family must be one of \['idm_vton'\], got 'other'"):
        raise ask(front(serve(), jobs), asked)


@pytest.mark.parametrize("name", ["in_flight", "max_rows", "call_rows", "max_running"])
def test_a_limit_below_its_least_value_stops_the_model(name):
    """The message names the limit."""
    with pytest.raises(BadSettings, match=name):
        DenoiseSettings(**{name: -1})
