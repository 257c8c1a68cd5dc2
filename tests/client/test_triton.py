"""The client against a real Triton: the served models' own configs, answered by the shipped fake."""

import asyncio
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from vitrine import (
    AsyncVitrine,
    BadRequest,
    Busy,
    NotFound,
    Progress,
    Retry,
    StageFailed,
    TimedOut,
    TryOn,
    Vitrine,
)
from vitrine.transport import connect, read_endpoint
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.manifest import manifest_text

REPOSITORY = Path(__file__).parents[2] / "model_repository"
MODELS = ("try_on", "try_on_stream", "prepare_person", "prepare_garment", "prepare_text")
PERSON = np.full((64, 48, 3), 200, np.uint8)
COAT = np.full((20, 20, 3), 30, np.uint8)
ONCE = Retry(tries=1)


@pytest.fixture(scope="module")
def triton(tmp_path_factory):
    """A running server."""
    repository = tmp_path_factory.mktemp("repository")
    for name in MODELS:
        (repository / name / "1").mkdir(parents=True)
        shutil.copy(REPOSITORY / name / "config.pbtxt", repository / name)
        shutil.copy(Path(__file__).parent / "triton" / "model.py", repository / name / "1")
        (repository / name / "1" / "manifest.json").write_text(manifest_text({}))  # a model must have one
    with EmbeddedTriton(repository, ports=ANY_PORTS) as server:
        yield server


@pytest.fixture(params=["grpc", "http"])
def protocol(request):
    """Each protocol in turn."""
    return request.param


@pytest.fixture
def vitrine(triton, protocol):
    """A client over that protocol."""
    with Vitrine(getattr(triton, protocol), protocol=protocol, retry=ONCE, timeout_s=120) as client:
        yield client


def left(triton, model):
    """Wait until the model has noticed that its caller is gone; returns whether it did."""
    mark = triton.repository / model / "left"
    until = time.monotonic() + 30
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.02)
    found = mark.exists()
    mark.unlink(missing_ok=True)
    return found


def test_a_try_on_goes_through_triton(vitrine):
    """Every option is an input of the model's config, with the right type."""
    result = vitrine.try_on(
        person=PERSON,
        garment=[COAT, COAT],
        category=["upper_body", "lower_body"],
        description=["coat", "trousers"],
        person_id="ada",
        garment_id=["a", "b"],
        steps=4,
        seed=2**64 - 1,
        guidance=2.5,
        paste_back=True,
        crop="fit",
        format="jpeg",
        scheduler="ddim",
    )
    assert (result.seed, result.image.size, result.image.format) == (2**64 - 1, (48, 64), "JPEG")


def test_the_parts_can_be_prepared(vitrine):
    """The prepare models take what the client sends."""
    assert vitrine.prepare_person(person=PERSON, category="dresses", crop="squash").key == "fake-person"
    assert vitrine.prepare_garment(garment=COAT, garment_id="coat").key == "fake-garment"
    assert vitrine.prepare_text(description="coat").key == "fake-text"


@pytest.mark.parametrize(
    ("description", "kind"), [("busy", Busy), ("stage failed", StageFailed)], ids=["busy", "stage-failed"]
)
def test_a_models_errors_arrive_as_their_class(vitrine, description, kind):
    """An error of a model arrives with its class, by Triton's code and text."""
    with pytest.raises(kind):
        vitrine.try_on(person=PERSON, garment=COAT, description=description)


@pytest.mark.parametrize(
    ("model", "inputs", "kind"),
    [
        ("nope", {"x": np.zeros(1, np.float32)}, NotFound),
        ("try_on", {"no_such_input": np.zeros(1, np.float32)}, BadRequest),
        ("try_on", {"steps": np.array([4.0], np.float32)}, BadRequest),
        ("try_on", {"steps": np.array([[4]], np.int32)}, BadRequest),
        ("try_on_stream", {"steps": np.array([4], np.int32)}, BadRequest),
    ],
    ids=["no-model", "no-input", "type", "shape", "decoupled"],
)
def test_tritons_own_errors_arrive_as_a_class(vitrine, model, inputs, kind):
    """An error of Triton itself arrives as one of our classes."""
    with pytest.raises(kind):
        vitrine.infer(model, inputs)


def test_a_slow_answer_is_timed_out(triton, vitrine, protocol):
    """A slow call raises TimedOut, and over gRPC the model notices."""
    with pytest.raises(TimedOut):
        vitrine.try_on(person=PERSON, garment=COAT, description="slow", timeout_s=3)
    if protocol == "grpc":
        assert left(triton, "try_on")


def test_models_are_listed_with_their_work(vitrine):
    """All models are ready, and requests are counted, at the latest a moment after the answer."""
    vitrine.try_on(person=PERSON, garment=COAT)
    give_up = time.monotonic() + 30
    models = {model.name: model for model in vitrine.models()}
    while not models["try_on"].requests and time.monotonic() < give_up:
        time.sleep(0.05)
        models = {model.name: model for model in vitrine.models()}
    assert set(models) == set(MODELS)
    assert all(model.ready and model.version == "1" for model in models.values())
    assert models["try_on"].requests > 0
    assert models["try_on"].mean_ms > 0


def test_a_stream_brings_progress_and_the_result(triton):
    """The synchronous and the asynchronous client read the same events."""
    asked = {"person": PERSON, "garment": COAT, "steps": 5, "previews": True}

    async def collected():
        async with AsyncVitrine(triton.grpc) as vitrine:
            return [event async for event in vitrine.try_on_stream(**asked)]

    with Vitrine(triton.grpc) as vitrine:
        for events in (list(vitrine.try_on_stream(**asked)), asyncio.run(collected())):
            assert [type(event) for event in events] == [Progress] * 5 + [TryOn]
            assert events[0].preview.size == (48, 64)


def test_a_streams_errors_arrive_as_their_class(triton):
    """A stream has no codes, and its error may come from the model or from Triton."""
    client, failing = (
        Vitrine(triton.grpc, retry=ONCE),
        pytest.raises(StageFailed, match="pose: the network gave NaN"),
    )
    with client as vitrine, failing:
        list(vitrine.try_on_stream(person=PERSON, garment=COAT, description="stage failed"))
    transport = connect(read_endpoint(triton.grpc))
    with pytest.raises(NotFound, match="unknown model"):
        list(transport.stream("nope", {"x": COAT}, timeout_s=5))
    transport.close()


def test_closing_a_stream_reaches_the_model(triton):
    """Closing a synchronous stream or cancelling an asynchronous one stops the model's work."""
    asked = {"person": PERSON, "garment": COAT, "description": "slow"}
    with Vitrine(triton.grpc) as vitrine:
        events = vitrine.try_on_stream(**asked)
        assert next(events).step == 1
        events.close()
    assert left(triton, "try_on_stream")

    async def cancelled():
        async with AsyncVitrine(triton.grpc) as vitrine:
            events = vitrine.try_on_stream(**asked)
            assert (await anext(events)).step == 1
            await events.aclose()

    asyncio.run(cancelled())
    assert left(triton, "try_on_stream")


async def test_many_garments_at_once(triton, protocol):
    """One asynchronous client gets the answers to eight concurrent requests."""
    async with AsyncVitrine(getattr(triton, protocol), protocol=protocol) as vitrine:
        many = vitrine.try_on_many(person=PERSON, garments=[COAT] * 8, at_once=8, seed=list(range(8)))
        assert sorted([fitting.get().seed async for fitting in many]) == list(range(8))


def test_many_garments_from_threads(vitrine):
    """Threads can share a synchronous client, over both protocols."""
    many = vitrine.try_on_many(person=PERSON, garments=[COAT] * 8, at_once=8, seed=list(range(8)))
    assert sorted(fitting.get().seed for fitting in many) == list(range(8))
