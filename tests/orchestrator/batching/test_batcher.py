"""Jobs share calls without changing each other's results."""

from collections import Counter

import numpy as np
import pytest
from vitrine.errors import Busy, Cancelled, StageFailed
from vitrine_orchestrator.batching.batcher import Batcher
from vitrine_orchestrator.batching.group_scheduler import GroupScheduler
from vitrine_orchestrator.batching.metrics import Counters
from vitrine_orchestrator.try_on.engine.fake import FakeEngine
from vitrine_orchestrator.try_on.facts import FAMILY
from vitrine_orchestrator.try_on.garment_rows import GarmentNames


class Bench:
    """A batcher over a fake engine, stepped by the test."""

    def __init__(
        self,
        jobs,
        clock,
        engine=None,
        max_rows=4,
        max_running=8,
        garment_rows=4,
        garment_bytes=10**6,
        call_rows=0,
    ):
        self.engine, self.clock, self.counters = engine or FakeEngine(), clock, Counters()
        program = jobs.program(self.engine, garment_bytes=garment_bytes, garment_rows=garment_rows)
        self.cache = program.cache
        self.scheduler = GroupScheduler(
            {FAMILY: program},
            lambda program: Batcher(program, self.counters, clock, call_rows),
            max_rows,
            max_running,
        )

    def add(self, *jobs):
        self.scheduler.waiting.extend(jobs)

    def step(self, times=1):
        return [job for _ in range(times) for job in self.scheduler.step(self.clock())]

    def finish(self):
        left = []
        while self.scheduler.waiting or self.scheduler.running:
            left += self.step()
        return left


@pytest.fixture
def bench(clock, jobs):
    return Bench(jobs, clock)


def test_a_job_alone_gets_its_answer(bench, jobs):
    """The latents are those of a plain loop over the schedule."""
    job = jobs.job(steps=5)
    bench.add(job)
    assert bench.finish() == [job]
    np.testing.assert_array_equal(job.latents, jobs.expected(job.request))


def test_a_late_job_joins_between_steps(bench, jobs):
    """A job added during a run shares the next step and leaves on its own schedule."""
    first, late = jobs.job(steps=5), jobs.job(seed=1, steps=2)
    bench.add(first)
    bench.step(2)
    bench.add(late)
    assert bench.step(2) == [late]
    assert bench.counters.calls == Counter({1: 2, 2: 2})
    assert bench.step() == [first]


@pytest.mark.parametrize("scheduler", ["ddpm", "ddim", "euler"])
def test_batched_equals_single(bench, jobs, scheduler):
    """Jobs of any seed, steps, guidance and scheduler in the call change no bit of a job's result."""
    others = [jobs.job(seed=i, steps=2 + i, guidance=i, garment=i, scheduler="ddim") for i in range(1, 4)]
    job = jobs.job(steps=4, scheduler=scheduler)
    bench.add(others[0])
    bench.step()
    bench.add(job, *others[1:])
    bench.finish()
    for one in (job, *others):
        np.testing.assert_array_equal(one.latents, jobs.expected(one.request))
    assert max(bench.counters.calls) == 4


def test_no_more_rows_than_allowed_share_a_call(bench, jobs):
    """The fifth job waits until one of four leaves."""
    crowd = [jobs.job(seed=i, steps=2 + i) for i in range(5)]
    bench.add(*crowd)
    bench.step()
    assert list(bench.scheduler.waiting) == crowd[4:]
    bench.finish()
    assert max(bench.counters.calls) == 4
    assert all(job.state == "done" for job in crowd)


def test_no_lane_idles_and_the_oldest_go_first(clock, jobs):
    """Of three jobs on two lanes, two run in each call: the new job once, then the oldest."""
    bench = Bench(jobs, clock, FakeEngine(lanes=2))
    trio = [jobs.job(seed=i, steps=4) for i in range(3)]
    bench.add(*trio)
    bench.step(3)
    assert [job.step for job in trio] == [3, 2, 1]
    bench.finish()
    assert bench.counters.calls == Counter({2: 5, 1: 2})
    for job in trio:
        np.testing.assert_array_equal(job.latents, jobs.expected(job.request))


def test_a_crowd_is_served_in_calls_of_some_rows(clock, jobs):
    """Equal jobs finish in the order of arrival, and a late one starts immediately."""
    bench = Bench(jobs, clock, FakeEngine(lanes=2), max_rows=8, call_rows=4)
    crowd = [jobs.job(seed=i, steps=6) for i in range(7)]
    bench.add(*crowd)
    bench.step(4)
    late = jobs.job(now=clock(), seed=9, steps=6)
    bench.add(late)
    bench.step()
    assert late.step == 1
    assert max(bench.counters.calls) == 4
    left = bench.finish()
    assert [crowd.index(job) for job in left[:4]] == [0, 1, 2, 3]
    for job in (*crowd, late):
        np.testing.assert_array_equal(job.latents, jobs.expected(job.request))


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_short_job_passes_long_ones(clock, jobs, lanes):
    """A short job does not wait for long ones, even where they fill every call."""
    bench = Bench(jobs, clock, FakeEngine(lanes=lanes), max_rows=8, call_rows=4)
    long = [jobs.job(seed=i, steps=40) for i in range(4)]
    bench.add(*long)
    bench.step(10)
    short = jobs.job(seed=9, steps=3)
    bench.add(short)
    assert bench.step(3) == [short]
    bench.finish()
    for job in (*long, short):
        np.testing.assert_array_equal(job.latents, jobs.expected(job.request))


def test_no_job_waits_for_ever(clock, jobs):
    """A long job gets its turn, even if short jobs keep arriving."""
    bench = Bench(jobs, clock, max_rows=3, call_rows=1)
    long = jobs.job(steps=6)
    bench.add(long)
    for number in range(40):
        bench.add(jobs.job(seed=number, steps=2))
        if long in bench.step(2):
            break
    assert long.state == "done"
    assert number > 5
    bench.finish()


def test_fewer_jobs_than_lanes_move_on_together(clock, jobs):
    """Fewer jobs than lanes all run in each call."""
    bench = Bench(jobs, clock, FakeEngine(lanes=4))
    bench.add(*(jobs.job(seed=i, steps=2) for i in range(3)))
    bench.finish()
    assert bench.counters.calls == Counter({3: 2})


def test_sizes_never_share_a_call_and_take_turns(bench, jobs):
    """Two sizes alternate, so neither waits for the other to finish."""
    small, large = jobs.job(steps=3), jobs.job(steps=3, size=(8, 8))
    bench.add(small, large)
    bench.step(4)
    assert (small.step, large.step) == (2, 2)
    bench.finish()
    assert bench.counters.calls == Counter({1: 6})


def test_a_free_place_goes_to_the_job_that_waited_longest(clock, jobs):
    """A waiting job of another size is not overtaken by later jobs of the running size."""
    bench = Bench(jobs, clock, max_running=1)
    running, other, later = jobs.job(steps=2), jobs.job(size=(8, 8)), jobs.job()
    bench.add(running, other, later)
    bench.step(3)
    assert (other.state, later.state) == ("running", "waiting")


def test_a_cancelled_job_leaves_before_the_next_step(bench, jobs):
    """A cancelled job takes part in no further call, and the other job continues."""
    gone, stays = jobs.job(), jobs.job(seed=1)
    bench.add(gone, stays)
    bench.step()
    gone.cancelled = True
    assert bench.step() == [gone]
    assert isinstance(gone.error, Cancelled)
    assert "after step 1 of 4" in str(gone.error)
    assert bench.counters.calls == Counter({2: 1, 1: 1})


def test_a_job_cancelled_while_waiting_costs_nothing(bench, jobs):
    """A job cancelled in the queue leaves without a call."""
    job = jobs.job()
    job.cancelled = True
    bench.add(job)
    assert bench.step() == [job]
    assert not bench.engine.calls


def test_a_job_that_waited_too_long_gets_busy(clock, jobs):
    """A deadline that passes in the queue raises Busy with the waiting time."""
    bench = Bench(jobs, clock, max_running=1)
    job = jobs.job(deadline=5.0)
    bench.add(jobs.job(steps=9), job)
    bench.step()
    clock.now = 6.0
    assert bench.step() == [job]
    with pytest.raises(Busy, match=r"waited 6\.0 s .* limit is 5\.0 s"):
        raise job.error


def test_a_running_job_past_its_deadline_is_given_up(bench, clock, jobs):
    """The job leaves before the next step, and its error gives the step that it reached."""
    job = jobs.job(deadline=5.0)
    bench.add(job)
    bench.step()
    clock.now = 6.0
    assert bench.step() == [job]
    with pytest.raises(Cancelled, match="after step 1 of 4"):
        raise job.error


@pytest.mark.parametrize("call", ["conditioning", "garment", "batch", "predict"])
def test_an_engine_failure_fails_the_jobs_of_its_call_and_nothing_else(clock, jobs, call):
    """Jobs of another size and later jobs get their results."""
    failing = {"now": True}

    def before(which, rows):
        if which == call and failing.pop("now", False):
            raise RuntimeError("out of memory")

    bench = Bench(jobs, clock, FakeEngine(before=before))
    first, second, other = jobs.job(), jobs.job(seed=1, garment=1), jobs.job(seed=2, size=(8, 8))
    bench.add(first, second, other)
    bench.finish()
    for job in (first, second):
        assert isinstance(job.error, StageFailed)
        assert job.error.stage == "denoise"
        assert "memory" not in str(job.error)
    after = jobs.job(seed=3)
    bench.add(after)
    bench.finish()
    for job in (other, after):
        np.testing.assert_array_equal(job.latents, jobs.expected(job.request))


def test_a_garment_failure_spares_jobs_whose_garment_is_known(clock, jobs):
    """Only jobs whose rows were in the failed call fail."""
    failing = {"now": False}

    def before(which, rows):
        if which == "garment" and failing["now"]:
            raise RuntimeError("no")

    bench = Bench(jobs, clock, FakeEngine(before=before))
    known, unknown = jobs.job(), jobs.job(seed=1, garment=1)
    bench.add(known)
    bench.step()
    failing["now"] = True
    bench.add(unknown)
    assert bench.step() == [unknown]
    assert bench.finish() == [known]
    np.testing.assert_array_equal(known.latents, jobs.expected(known.request))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite_fails_only_its_own_job(clock, jobs, value):
    """The error names the step; the other job is unchanged, and the garment's rows are dropped."""

    def spoil(output):
        if len(output) == 2:
            output[1, 0, 0, 0] = value
        return output

    bench = Bench(jobs, clock, FakeEngine(after=spoil))
    sound, spoilt = jobs.job(), jobs.job(seed=1, garment=1)
    bench.add(sound, spoilt)
    assert bench.step() == [spoilt]
    with pytest.raises(StageFailed, match=r"denoise: step 1 of 4 .* not finite"):
        raise spoilt.error
    assert not any(key.garment == GarmentNames().name(spoilt.request) for key in bench.cache._rows)
    bench.finish()
    np.testing.assert_array_equal(sound.latents, jobs.expected(sound.request))


def test_eight_jobs_of_one_garment_compute_it_once(clock, jobs):
    """Jobs that start together share all garment rows and one conditioning call."""
    bench = Bench(jobs, clock, max_rows=8)
    bench.add(*(jobs.job(seed=i, steps=6) for i in range(8)))
    bench.finish()
    assert bench.engine.rows["garment"] == 6
    assert bench.engine.calls["garment"] == 2
    assert bench.engine.calls["conditioning"] == 1


def test_a_later_job_finds_the_garment_computed(bench, jobs):
    """A second job with the same garment and steps makes no garment call."""
    bench.add(jobs.job())
    bench.finish()
    bench.add(jobs.job(seed=1))
    bench.finish()
    assert bench.engine.rows["garment"] == 4
    assert bench.cache.hits >= 4


def test_members_that_stay_are_stacked_once(bench, jobs):
    """The engine's batch is built again only when a job joins or leaves."""
    bench.add(jobs.job(steps=6))
    bench.step(3)
    assert bench.engine.calls["batch"] == 1
    bench.add(jobs.job(seed=1, steps=2))
    bench.finish()
    assert bench.engine.calls["batch"] == 3


def test_a_report_says_where_the_time_went(bench, jobs):
    """The report has seconds by part, steps, scheduler and the mean rows of the job's calls."""
    job = jobs.job(steps=3, scheduler="euler")
    bench.add(job)
    bench.finish()
    report = job.report()
    assert report["timings"].keys() == {"queue", "conditioning", "garment", "steps", "total"}
    assert (report["steps"], report["scheduler"], report["rows_per_call"]) == (3, "euler", 1.0)
