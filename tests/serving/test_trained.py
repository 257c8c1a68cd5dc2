"""The shipped checkpoint on a real Triton, on dolls that it was never trained on.

The tests hold for any trained checkpoint; `vitrine-export score` measures how good it is.
"""

import asyncio
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from test_load import metrics
from vitrine import AsyncVitrine, TryOn, Vitrine
from vitrine_measure.score.local import LocalStages, local_try_on
from vitrine_measure.score.measures import error_inside
from vitrine_measure.score.run import Options, true_mask
from vitrine_measure.score.wire import wire_try_on
from vitrine_orchestrator.cores.row_split import cores
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.person.labels import CATEGORIES
from vitrine_world import dolls

REPOSITORY = Path(__file__).parents[2] / "model_repository"
WORLD = 424242
OPTIONS = Options(steps=8)
SAMPLES = [dolls.sample(WORLD, index, category) for index, category in enumerate(CATEGORIES * 2)]


@pytest.fixture(scope="module")
def trained():
    """The embedded server with the repository that `make export` has filled."""
    with EmbeddedTriton(REPOSITORY, ports=ANY_PORTS) as server:
        yield server


@pytest.fixture
def vitrine(trained):
    """A gRPC client."""
    with Vitrine(trained.grpc, timeout_s=300) as client:
        yield client


async def all_of(attempt):
    """The (picture, mask) of every sample, all requested concurrently."""
    return await asyncio.gather(
        *(attempt(dolls.draw_person(s.person), s, dolls.draw_garment(s.garment)) for s in SAMPLES)
    )


@pytest.fixture(scope="module")
def over_the_wire(trained):
    """The samples' results by the client."""

    async def asked():
        async with AsyncVitrine(trained.grpc, timeout_s=300) as client:
            return await all_of(wire_try_on(client, OPTIONS))

    return asyncio.run(asked())


def apart(one, other):
    """The largest difference between two pictures, of 255."""
    return int(np.abs(np.asarray(one).astype(np.int16) - np.asarray(other)).max())


def options_of(sample, **more):
    """A try-on of a sample by the client."""
    return {
        "person": dolls.draw_person(sample.person),
        "garment": dolls.draw_garment(sample.garment),
        "category": sample.category,
        "description": sample.garment.description,
        **more,
    }


def test_the_wire_gives_what_the_pipeline_gives_in_this_process(over_the_wire):
    """Triton, batching and the client change no pixel by more than 1/255, and no mask."""
    stages = LocalStages(REPOSITORY)
    try:
        local = asyncio.run(all_of(local_try_on(stages, OPTIONS)))
    finally:
        stages.close()
    for (picture, mask), (wanted, wanted_mask) in zip(over_the_wire, local, strict=True):
        assert (mask == wanted_mask).all()
        assert apart(picture, wanted) <= 1


def test_results_are_nearer_to_the_truth_than_the_unchanged_person(over_the_wire):
    """This holds in each category inside the true mask; outside the used mask the person is unchanged."""
    for category in CATEGORIES:
        error = unchanged = 0.0
        for sample, (picture, mask) in zip(SAMPLES, over_the_wire, strict=True):
            person, truth = dolls.draw_person(sample.person), dolls.draw_person(sample.target)
            assert (picture[~mask] == person[~mask]).all()
            if sample.category == category:
                error += error_inside(picture, truth, true_mask(sample))
                unchanged += error_inside(person, truth, true_mask(sample))
        assert error < unchanged, category


def test_a_request_is_the_same_alone_among_others_and_streamed(vitrine):
    """Seven others join and leave, with other garments, schedules and guidance."""
    asked = options_of(SAMPLES[0], seed=11, steps=30)
    alone = vitrine.try_on(**asked)
    among, others = [], []

    def company(index):
        time.sleep(0.1 * index)  # they join while others are under way
        more = {"seed": index, "steps": 3 + 3 * index, "guidance": 1.0 + index / 2}
        others.append(vitrine.try_on(**options_of(SAMPLES[index % len(SAMPLES)], **more)))

    threads = [threading.Thread(target=company, args=(index,)) for index in range(7)]
    threads.insert(4, threading.Thread(target=lambda: among.append(vitrine.try_on(**asked))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    *_, streamed = vitrine.try_on_stream(**asked)
    assert isinstance(streamed, TryOn)
    assert len(others) == 7
    assert among[0].report["rows_per_call"] > 1
    assert apart(among[0].image, alone.image) <= 1
    assert apart(streamed.image, alone.image) <= 1


def test_a_late_request_starts_within_one_step(trained, vitrine):
    """While four run, a fifth waits no longer than one of their steps."""
    running = [threading.Event() for _ in range(4)]

    def run(index):
        for event in vitrine.try_on_stream(**options_of(SAMPLES[index], seed=index, steps=60)):
            if not isinstance(event, TryOn) and event.step > 0:
                running[index].set()

    for sample, steps in zip(SAMPLES, (60, 60, 60, 60, 1), strict=False):  # all garments' rows are ready
        vitrine.try_on(**options_of(sample, steps=steps))
    threads = [threading.Thread(target=run, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    assert all(event.wait(120) for event in running)
    before = metrics(trained)
    late = vitrine.try_on(**options_of(SAMPLES[4], seed=9, steps=1))  # the call that it starts in
    after = metrics(trained)
    for thread in threads:
        thread.join()
    seconds, calls = (
        sum(value - before.get(key, 0.0) for key, value in after.items() if key.startswith(name))
        for name in ("vitrine_denoise_step_seconds_total", "vitrine_denoise_calls_total")
    )
    lanes = cores()
    assert late.report["rows_per_call"] == 5 - (5 % lanes if lanes < 5 else 0)  # as many as leave none idle
    assert late.timings["queue"] < 3 * seconds / calls + 0.1  # one step may take longer than their mean
