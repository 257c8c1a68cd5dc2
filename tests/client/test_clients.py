"""Both clients behave alike over the shipped fake: one is called, the other awaited."""

import asyncio
import threading

import numpy as np
import pytest
from vitrine import (
    AsyncFakeTransport,
    AsyncVitrine,
    BadRequest,
    Busy,
    Cancellation,
    Cancelled,
    FakeTransport,
    NotFound,
    Progress,
    Retry,
    TimedOut,
    TryOn,
    Unavailable,
    Vitrine,
    VitrineError,
)

PERSON = np.full((64, 48, 3), 200, np.uint8)
COAT = np.full((20, 20, 3), 30, np.uint8)
SHIRT = np.full((20, 20, 3), 90, np.uint8)
AT_ONCE = Retry(first_s=0.0)


class Awaited:
    """AsyncVitrine with Vitrine's plain methods, so that one test body drives both."""

    def __init__(self, fake, **options):
        self.loop = asyncio.Runner()
        self.client = AsyncVitrine(transport=AsyncFakeTransport(fake), **options)

    def __getattr__(self, name):
        method = getattr(self.client, name)
        if name in ("try_on_many", "try_on_stream", "picture_stream"):
            return lambda **options: self.iterate(method(**options))
        return lambda *args, **options: self.loop.run(method(*args, **options))

    def iterate(self, answers):
        try:
            while True:
                try:
                    yield self.loop.run(anext(answers))
                except StopAsyncIteration:
                    return
        finally:
            self.loop.run(answers.aclose())


@pytest.fixture(params=["sync", "async"])
def make(request):
    """A client of each kind over a given fake."""
    made = []

    def client(fake, **options):
        made.append(
            Vitrine(transport=fake, **options) if request.param == "sync" else Awaited(fake, **options)
        )
        return made[-1]

    yield client
    for one in made:
        one.close()
        if isinstance(one, Awaited):
            one.loop.close()


def test_a_try_on_is_one_sentence(make):
    """A call takes person, garment and seed, returns picture, mask and seed, and sends its timeout."""
    fake = FakeTransport()
    result = make(fake).try_on(person=PERSON, garment=COAT, seed=7)
    assert isinstance(result, TryOn)
    assert result.seed == 7
    assert np.asarray(result.image)[32, 24, 0] < 100  # the dark coat is on
    assert [call.model for call in fake.calls] == ["try_on"]
    assert 59 < fake.calls[0].timeout_s <= 60


@pytest.mark.parametrize(
    "error", [Busy("64 jobs wait"), Unavailable("no server")], ids=["busy", "unavailable"]
)
def test_a_temporary_error_is_retried(make, error):
    """Busy and Unavailable are raised before any work is done, so the client retries the same request."""
    fake = FakeTransport(failures=[error] * 2)
    make(fake, retry=AT_ONCE).try_on(person=PERSON, garment=COAT)
    assert len(fake.calls) == 3


@pytest.mark.parametrize(
    "error", [BadRequest("no"), NotFound("no"), VitrineError("no"), TimedOut("no"), Cancelled("no")]
)
def test_a_permanent_error_is_not_retried(make, error):
    """The client does not retry a bad request or one whose time ran out."""
    fake = FakeTransport(failures=[error])
    with pytest.raises(type(error)):
        make(fake, retry=AT_ONCE).try_on(person=PERSON, garment=COAT)
    assert len(fake.calls) == 1


def test_tries_are_bounded(make):
    """After the last try the caller gets the error itself."""
    fake = FakeTransport(failures=[Busy("64 jobs wait")] * 10)
    with pytest.raises(Busy, match="64 jobs wait"):
        make(fake, retry=AT_ONCE).try_on(person=PERSON, garment=COAT)
    assert len(fake.calls) == AT_ONCE.tries


def test_a_retry_stays_inside_the_callers_time(make):
    """The client does not start a pause that would outlast the timeout."""
    fake = FakeTransport(failures=[Busy("later")])
    with pytest.raises(Busy):
        make(fake, retry=Retry(first_s=10, longest_s=10)).try_on(person=PERSON, garment=COAT, timeout_s=0.5)
    assert len(fake.calls) == 1


def test_many_garments_give_a_result_each(make):
    """Every garment gets a result, in any order."""
    fittings = list(make(FakeTransport()).try_on_many(person=PERSON, garments=[COAT, SHIRT], seed=[1, 2]))
    assert sorted((one.index, one.get().seed) for one in fittings) == [(0, 1), (1, 2)]
    assert all(one.garment is (COAT, SHIRT)[one.index] for one in fittings)


def test_one_bad_garment_fails_alone(make):
    """A bad garment gets its own error, and the others get their pictures."""
    fittings = list(make(FakeTransport()).try_on_many(person=PERSON, garments=[COAT, b"junk", "no-file"]))
    errors = {one.index: one.error for one in fittings}
    assert errors[0] is None
    assert isinstance(errors[1], BadRequest)
    assert isinstance(errors[2], BadRequest)
    with pytest.raises(BadRequest, match="garment is 4 bytes of another kind"):
        next(one for one in fittings if one.index == 1).get()


def test_many_can_be_left_early(make):
    """Closing the iterator starts no further request."""
    fake = FakeTransport()
    fittings = make(fake).try_on_many(person=PERSON, garments=[COAT] * 50, at_once=1)
    next(fittings)
    fittings.close()
    assert len(fake.calls) < 50


def test_at_once_is_checked(make):
    """A limit of no concurrent requests is a BadRequest."""
    with pytest.raises(BadRequest, match="at_once must be at least 1, got 0"):
        make(FakeTransport()).try_on_many(person=PERSON, garments=[COAT], at_once=0)


def test_a_stream_shows_its_progress(make):
    """The stream yields every step, with a preview if requested, and then the result."""
    events = list(make(FakeTransport()).try_on_stream(person=PERSON, garment=COAT, steps=3, previews=True))
    assert [event.step for event in events if isinstance(event, Progress)] == [1, 2, 3]
    assert events[0].preview.size == (48, 64)
    assert isinstance(events[-1], TryOn)


def test_closing_a_stream_cancels_it(make):
    """Closing a stream cancels the request in the transport."""
    fake = FakeTransport()
    events = make(fake).try_on_stream(person=PERSON, garment=COAT, steps=30)
    assert next(events).step == 1
    events.close()
    assert fake.streams_cancelled == 1


def test_a_stream_is_retried_only_before_its_first_event(make):
    """The client retries a stream only while it has yielded nothing, so progress never starts again."""
    fake = FakeTransport(failures=[Busy("later")])
    assert len(list(make(fake, retry=AT_ONCE).try_on_stream(person=PERSON, garment=COAT, steps=2))) == 3

    class Breaks(FakeTransport):
        def stream(self, model, inputs, **options):
            yield next(super().stream(model, inputs, **options))
            raise Unavailable("the connection broke")

    broken = Breaks()
    with pytest.raises(Unavailable, match="broke"):
        list(make(broken, retry=AT_ONCE).try_on_stream(person=PERSON, garment=COAT))
    assert len(broken.calls) == 1


def test_a_stream_without_a_result_is_an_error(make):
    """A stream that ends without a result raises an error."""

    class Stops(FakeTransport):
        def stream(self, model, inputs, **options):
            yield next(super().stream(model, inputs, **options))

    with pytest.raises(VitrineError, match="ended before its result"):
        list(make(Stops()).try_on_stream(person=PERSON, garment=COAT))


def test_the_parts_can_be_prepared_ahead(make):
    """A person, a garment and a text can be prepared alone, and each gets a key."""
    client = make(FakeTransport())
    assert client.prepare_person(person=PERSON, category="dresses").key == "fake-person"
    assert client.prepare_garment(garment=COAT).sources == {"garment": "fresh"}
    assert client.prepare_text(description="coat").key == "fake-text"


def test_models_says_what_is_loaded(make):
    """`models` lists names, versions and readiness."""
    models = make(FakeTransport()).models()
    assert ("try_on", "1", True) in [(model.name, model.version, model.ready) for model in models]


def test_any_model_can_be_called_by_its_tensors(make):
    """`infer` calls any model by its tensors and raises its errors."""
    with pytest.raises(NotFound, match="nope"):
        make(FakeTransport()).infer("nope", {})


def test_a_client_closes_its_transport():
    """Leaving the block closes the connections."""
    fake = FakeTransport()
    with Vitrine(transport=fake):
        pass
    assert fake.closed


async def test_an_async_client_closes_its_transport():
    """Leaving the block closes the connections."""
    fake = FakeTransport()
    async with AsyncVitrine(transport=AsyncFakeTransport(fake)):
        pass
    assert fake.closed


def test_a_cancellation_ends_a_call():
    """A call cancelled before it starts sends nothing, and one cancelled in a pause ends immediately."""
    cancellation = Cancellation()
    fake = FakeTransport(failures=[Busy("later")])
    client = Vitrine(transport=fake, retry=Retry(first_s=50, longest_s=50))
    timer = threading.Timer(0.05, cancellation.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        client.try_on(person=PERSON, garment=COAT, cancellation=cancellation)
    timer.join()
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    ("tried", "error", "left_s", "pause_s"),
    [
        (1, Busy(""), 60, 0.25),
        (2, Unavailable(""), 60, 0.5),
        (3, Busy(""), 60, 1.0),
        (4, Busy(""), 60, None),  # the fourth try was the last
        (1, Busy(""), 0.2, None),  # no time left for it
        (1, BadRequest(""), 60, None),
    ],
)
def test_pauses_double_and_end(tried, error, left_s, pause_s):
    """Retry pauses double up to a maximum (jitter is left out here)."""
    assert Retry().pause_s(tried, error, left_s, uniform=lambda low, high: high) == pause_s
