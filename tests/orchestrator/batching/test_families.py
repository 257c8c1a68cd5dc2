"""Two families run in one denoise process without sharing a call or changing each other's results."""

import asyncio
import importlib.util
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from vitrine.errors import BadRequest, StageFailed
from vitrine_orchestrator.batching.denoise_model import DenoiseModel
from vitrine_orchestrator.batching.service import DenoiseService
from vitrine_orchestrator.batching.settings import DenoiseSettings
from vitrine_orchestrator.try_on.engine.fake import FakeEngine
from vitrine_orchestrator.try_on.facts import FAMILY as TRY_ON

WAIT_S = 60


def _wave():
    """The module next to this one, loaded by path, since tests are not a package."""
    if "wave_family" not in sys.modules:
        path = Path(__file__).with_name("wave.py")
        spec = importlib.util.spec_from_file_location("wave_family", path)
        sys.modules["wave_family"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["wave_family"])
    return sys.modules["wave_family"]


wave = _wave()


@pytest.fixture
def serve(jobs):
    """Starts the denoise model with both families; closes it at the end."""
    started = []

    def start(engine=None, waves=None, **limits):
        programs = {TRY_ON: jobs.program(engine or FakeEngine()), wave.FAMILY: waves or wave.WaveProgram()}
        started.append(DenoiseModel(DenoiseService(programs, DenoiseSettings(**limits))))
        return started[-1]

    yield start
    for front in started:
        front.close()


def ask(front, arrays):
    answer = Future()
    front.handle(arrays, answer.set_result)
    return answer


def try_on_arrays(jobs, **asked):
    return jobs.arrays(**asked) | {"family": np.array([TRY_ON.encode()], object)}


def test_jobs_of_both_families_each_get_their_own_answer(serve, jobs):
    """Jobs of both families mix in one queue, batch with their own kind and equal single results."""
    gate = threading.Event()
    waves, engine = wave.WaveProgram(before=lambda *_: gate.wait(WAIT_S)), FakeEngine()
    front = serve(engine, waves)
    asked = []
    for i in range(6):
        asked.append((TRY_ON, try_on_arrays(jobs, seed=i, steps=3 + i % 3, garment=i % 2)))
        asked.append((wave.FAMILY, wave.wave_arrays(seed=i, steps=2 + i % 4, length=6 + 2 * (i % 2))))
    answers = [ask(front, arrays) for _, arrays in asked]
    gate.set()
    programs = front.service.programs
    expected = {TRY_ON: jobs.expected, wave.FAMILY: wave.wave_expected}
    for (family, arrays), answer in zip(asked, answers, strict=True):
        found = answer.result(WAIT_S)["latents"]
        np.testing.assert_allclose(found, expected[family](programs[family].read(arrays)), atol=1e-6)
    assert max(waves.calls) > 1
    steps_of_waves = sum(2 + i % 4 for i in range(6))
    assert sum(rows * calls for rows, calls in waves.calls.items()) == steps_of_waves
    assert engine.rows["predict"] == sum(3 + i % 3 for i in range(6))
    assert waves.held == 0


def test_a_job_that_starts_from_a_clean_state_equals_the_plain_loop(serve):
    """For image to image, the schedule's first σ mixes noise and clean state."""
    front = serve()
    arrays = wave.wave_arrays(seed=5, steps=8, strength=0.5)
    request = front.service.programs[wave.FAMILY].read(arrays)
    assert request.schedule.steps == 4
    found = ask(front, arrays).result(WAIT_S)["latents"]
    np.testing.assert_allclose(found, wave.wave_expected(request), atol=1e-6)


@pytest.mark.parametrize("call", ["join", "predict"])
def test_a_failure_of_one_family_leaves_the_other_alone(serve, jobs, call):
    """The failed call's jobs get an error and leave their program."""

    def before(which, rows):
        if which == call:
            raise RuntimeError("out of memory")

    waves = wave.WaveProgram(before=before)
    front = serve(waves=waves)
    lost, kept = ask(front, wave.wave_arrays(name="lost")), ask(front, try_on_arrays(jobs, seed=1))
    assert isinstance(lost.result(WAIT_S), StageFailed)
    np.testing.assert_array_equal(kept.result(WAIT_S)["latents"], jobs.expected(jobs.request(seed=1)))
    assert waves.left == ["lost"]


def test_a_program_that_cannot_group_a_job_fails_that_job_only(serve, jobs, monkeypatch):
    """The job leaves the queue with an error."""
    waves = wave.WaveProgram()
    monkeypatch.setattr(waves, "group", lambda job: 1 / 0)
    front = serve(waves=waves)
    assert isinstance(ask(front, wave.wave_arrays()).result(WAIT_S), StageFailed)
    assert "latents" in ask(front, try_on_arrays(jobs)).result(WAIT_S)


def test_a_programs_own_limit_bounds_its_calls(serve):
    """At most `most` jobs share a call, whatever the setting."""
    waves = wave.WaveProgram(most=2)
    front = serve(waves=waves, call_rows=4)
    for answer in [ask(front, wave.wave_arrays(seed=i)) for i in range(5)]:
        assert "latents" in answer.result(WAIT_S)
    assert max(waves.calls) <= 2


def test_a_request_without_a_family_is_refused_where_several_are_served(serve, jobs):
    """The message lists the families."""
    found = ask(serve(), jobs.arrays()).result(WAIT_S)
    assert isinstance(found, BadRequest)
    assert "family must be one of ['idm_vton', 'wave'], got None" in str(found)


async def test_an_awaited_answer_that_is_cancelled_ends_its_job(serve):
    """The job leaves the batcher and its program."""
    gate = threading.Event()
    waves = wave.WaveProgram(before=lambda *_: gate.wait(WAIT_S))
    front = serve(waves=waves)
    work = asyncio.ensure_future(front.answer(wave.wave_arrays(steps=90, name="mine")))
    await asyncio.sleep(0.05)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    gate.set()
    while front.service.programs[wave.FAMILY].left != ["mine"]:
        await asyncio.sleep(0.01)
