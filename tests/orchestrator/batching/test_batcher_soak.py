"""With random arrivals, sizes, steps, cancellations and failures, each job gets its own result once."""

import random

import numpy as np
import pytest
from vitrine.errors import Cancelled, StageFailed
from vitrine_orchestrator.batching.batcher import Batcher
from vitrine_orchestrator.batching.group_scheduler import GroupScheduler
from vitrine_orchestrator.batching.metrics import Counters
from vitrine_orchestrator.try_on.engine.fake import FakeEngine
from vitrine_orchestrator.try_on.facts import FAMILY

SIZES = ((4, 4), (8, 4), (8, 8))


class Faults:
    """An engine that makes some calls raise and some rows NaN, and counts both."""

    def __init__(self, dice):
        self.dice, self.raised, self.spoilt = dice, 0, 0

    def before(self, call, rows):
        if self.dice.random() < 0.03:
            self.raised += 1
            raise RuntimeError(call)

    def after(self, output):
        if self.dice.random() < 0.02:
            self.spoilt += 1
            output[self.dice.randrange(len(output))] = np.nan
        return output


@pytest.mark.parametrize("seed", range(6))
def test_every_job_gets_its_own_answer_exactly_once(seed, jobs, clock):
    """Each of 120 jobs leaves once, with its latents or its error, and nothing remains."""
    dice = random.Random(seed)
    faults = Faults(dice)
    engine = FakeEngine(lanes=dice.choice([1, 2, 3]), before=faults.before, after=faults.after, row_bytes=100)
    program = jobs.program(
        engine,
        garment_bytes=dice.choice([0, 350, 2500, 10**6]),
        garment_rows=dice.choice([1, 3, 8]),
    )
    cache, counters = program.cache, Counters()
    scheduler = GroupScheduler(
        {FAMILY: program}, lambda program: Batcher(program, counters, clock), max_rows=4, max_running=7
    )
    added, left = [], []
    while len(left) < 120:
        if len(added) < 120 and dice.random() < 0.6:
            added.append(random_job(jobs, dice, len(added), clock()))
            scheduler.waiting.append(added[-1])
        if added and dice.random() < 0.05:
            dice.choice(added).cancelled = True
        left += scheduler.step(clock())
        clock.now += 1
        assert scheduler.running <= 7
        assert cache.bytes <= cache.max_bytes
    assert sorted(map(id, left)) == sorted(map(id, added))
    assert not scheduler.running
    assert not scheduler.waiting
    assert max(counters.calls) > 1
    check_outcomes(jobs, added, faults)


def random_job(jobs, dice, number, now):
    return jobs.job(
        now,
        seed=number,
        steps=dice.choice([1, 2, 3, 5, 8]),
        size=dice.choice(SIZES),
        garment=dice.randrange(4),
        guidance=dice.choice([0.0, 1.0, 2.0, 7.5]),
        scheduler=dice.choice(["ddpm", "ddim", "euler"]),
        key=dice.random() < 0.7,
    )


def check_outcomes(jobs, added, faults):
    done = [job for job in added if job.state == "done"]
    assert len(done) > 40
    for job in done:
        np.testing.assert_array_equal(job.latents, jobs.expected(job.request))
    for job in added:
        if job.state != "done":
            assert isinstance(job.error, Cancelled | StageFailed)
            assert job.cancelled or not isinstance(job.error, Cancelled)
    assert any(isinstance(job.error, StageFailed) for job in added)
    assert faults.raised
    assert faults.spoilt
