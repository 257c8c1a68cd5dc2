"""Both transports, synchronous and asynchronous, against a loopback server."""

import asyncio
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
from tritonclient.utils import InferenceServerException
from vitrine import (
    AsyncVitrine,
    BadRequest,
    Busy,
    Cancellation,
    Cancelled,
    NotFound,
    Progress,
    Retry,
    StageFailed,
    TimedOut,
    TryOn,
    Unavailable,
    Vitrine,
    VitrineError,
    call_headers,
)
from vitrine.wire import read_error

PERSON = np.full((64, 48, 3), 200, np.uint8)
COAT = np.full((20, 20, 3), 30, np.uint8)
ONCE = Retry(tries=1)


def called(kind, url, call, **options):
    """The result of `call` with a client of this kind; a coroutine is awaited."""
    if kind == "sync":
        with Vitrine(url, **options) as vitrine:
            return call(vitrine)

    async def run():
        async with AsyncVitrine(url, **options) as vitrine:
            return await call(vitrine)

    return asyncio.run(run())


kinds = pytest.mark.parametrize("kind", ["sync", "async"])


@kinds
def test_tensors_of_every_type_arrive_as_they_were_sent(served, kind):
    """Names, dtypes, shapes and values survive both ways."""
    url, _ = served
    sent = {
        "bytes": np.array([b"", b"\0\xff", "é".encode()], dtype=object),
        "pixels": np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
        "seed": np.array([2**64 - 1], np.uint64),
        "guidance": np.array([np.nan, 2.5], np.float32),
        "paste_back": np.array([False]),
    }
    answered = called(kind, url, lambda vitrine: vitrine.infer("echo", sent))
    assert set(answered) == set(sent)
    for name, tensor in sent.items():
        assert answered[name].dtype == tensor.dtype
        np.testing.assert_array_equal(answered[name], tensor)


@kinds
def test_a_try_on_goes_over_the_wire(served, kind):
    """The README's example works on both protocols."""
    url, _ = served
    result = called(kind, url, lambda vitrine: vitrine.try_on(person=PERSON, garment=COAT, seed=7))
    assert (result.seed, result.image.size) == (7, (48, 64))


@kinds
@pytest.mark.parametrize(
    "error",
    [
        BadRequest("steps must be 1 to 100, got 500"),
        NotFound("no garment 'coat-7'"),
        Busy("64 jobs wait, which is the limit"),
        Unavailable("denoise is not loaded"),
        Cancelled("the caller left"),
        StageFailed("pose", "the network gave NaN"),
        VitrineError("internal"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_arrive_as_their_class(served, kind, error):
    """The caller catches what the server raised."""
    url, loopback = served
    loopback.failures = [error]
    with pytest.raises(VitrineError) as caught:
        called(kind, url, lambda vitrine: vitrine.try_on(person=PERSON, garment=COAT), retry=ONCE)
    assert type(caught.value) is type(error)
    assert str(caught.value) == str(error)


@kinds
def test_a_slow_answer_is_timed_out(served, kind):
    """The caller waits as long as its timeout; over gRPC the server then sees the cancellation."""
    url, loopback = served
    started = time.monotonic()
    with pytest.raises(TimedOut, match="no answer within"):
        called(kind, url, lambda vitrine: vitrine.infer("slow", {"x": COAT}, timeout_s=2))
    assert time.monotonic() - started < 30
    if url.startswith("grpc"):
        assert loopback.left.wait(30)


@kinds
def test_a_missing_server_is_unavailable(kind, served):
    """A refused connection raises Unavailable with the address or the reason."""
    protocol = served[0].partition(":")[0]
    with pytest.raises(Unavailable, match=r"no server answers at 127.0.0.1:9 \(is it started"):
        called(kind, f"{protocol}://127.0.0.1:9", lambda vitrine: vitrine.models(), retry=ONCE, timeout_s=8)


@kinds
def test_models_are_read_from_index_and_statistics(served, kind):
    """Counts and times are read whether protobuf's JSON has them as text or as numbers."""
    denoise, pose = called(kind, served[0], lambda vitrine: vitrine.models())
    assert (denoise.name, denoise.ready, denoise.requests) == ("denoise", False, 0)
    assert (pose.name, pose.version, pose.ready, pose.requests) == ("pose", "1", True, 4)
    assert (pose.inferences, pose.executions, pose.mean_ms, pose.queue_ms) == (8, 2, 2.0, 0.5)


@kinds
def test_headers_travel_with_every_request(served, kind):
    """Headers are sent with every request, as restricted protocols and gateways require."""
    url, loopback = served
    called(kind, url, lambda vitrine: vitrine.infer("echo", {"x": COAT}), headers={"vitrine-key": "k"})
    assert loopback.headers["vitrine-key"] == "k"


@kinds
def test_headers_of_a_block_travel_with_its_requests_alone(served, kind):
    """A block's headers join the client's; after it they are gone."""
    url, loopback = served
    with call_headers({"traceparent": "00-a-b-01"}):
        called(kind, url, lambda vitrine: vitrine.infer("echo", {"x": COAT}), headers={"vitrine-key": "k"})
    assert (loopback.headers["vitrine-key"], loopback.headers["traceparent"]) == ("k", "00-a-b-01")
    called(kind, url, lambda vitrine: vitrine.infer("echo", {"x": COAT}))
    assert "traceparent" not in loopback.headers


def test_a_sync_call_can_be_cancelled_from_another_thread(served):
    """The call ends immediately with Cancelled; over gRPC the server sees the cancellation."""
    url, loopback = served
    cancellation = Cancellation()
    caught = []

    def call(vitrine):
        try:
            vitrine.infer("slow", {"x": COAT}, cancellation=cancellation)
        except VitrineError as error:
            caught.append(error)

    with Vitrine(url) as vitrine:
        thread = threading.Thread(target=call, args=[vitrine])
        thread.start()
        assert loopback.begun.wait(30)
        cancellation.cancel()
        thread.join(30)
        assert not thread.is_alive()
    assert [type(error) for error in caught] == [Cancelled]
    if url.startswith("grpc"):
        assert loopback.left.wait(30)


async def test_cancelling_a_task_cancels_its_request(served):
    """Cancelling the asyncio task cancels the request; over gRPC the server sees it."""
    url, loopback = served
    async with AsyncVitrine(url) as vitrine:
        task = asyncio.create_task(vitrine.infer("slow", {"x": COAT}))
        assert await asyncio.to_thread(loopback.begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if url.startswith("grpc"):
            assert await asyncio.to_thread(loopback.left.wait, 30)


def events_of(kind, url, **options):
    """All events of one stream."""

    async def collected(vitrine):
        return [event async for event in vitrine.try_on_stream(person=PERSON, garment=COAT, **options)]

    if kind == "async":
        return called(kind, url, collected, retry=ONCE)
    return called(
        kind,
        url,
        lambda vitrine: list(vitrine.try_on_stream(person=PERSON, garment=COAT, **options)),
        retry=ONCE,
    )


@kinds
def test_a_stream_brings_progress_and_the_result(served, kind):
    """A stream works over gRPC and is closed after its result; over HTTP the error names the port to use."""
    url, loopback = served
    if url.startswith("http"):
        with pytest.raises(BadRequest, match="streaming needs gRPC"):
            events_of(kind, url)
        return
    events = events_of(kind, url, steps=3)
    assert [type(event) for event in events] == [Progress] * 3 + [TryOn]
    assert loopback.streams_closed.acquire(timeout=30), "it was cancelled after its last response"


@pytest.mark.parametrize("end", ["left", "broken", "refused"])
async def test_an_async_stream_leaves_nothing_behind(served, end):
    """After a stream that was left, whose server died, or that met no server, none of its tasks waits."""
    url, loopback = served
    if url.startswith("http"):
        return
    loopback.breaks_streams = end == "broken"
    where = "grpc://127.0.0.1:9" if end == "refused" else url
    async with AsyncVitrine(where, retry=ONCE, timeout_s=8) as vitrine:
        stream = vitrine.try_on_stream(person=PERSON, garment=COAT, steps=30)
        with suppress(Unavailable):
            await anext(stream)
            if end == "broken":
                await anext(stream)
        await stream.aclose()
        give_up = time.monotonic() + 10
        while left := [task for task in asyncio.all_tasks() if "request_iterator" in repr(task)]:
            assert time.monotonic() < give_up, left
            await asyncio.sleep(0.05)


@kinds
def test_a_streams_errors_arrive_as_their_class(served, kind):
    """A stream carries no status codes, so the class comes from the text."""
    url, loopback = served
    loopback.failures = [StageFailed("pose", "the network gave NaN")]
    if url.startswith("grpc"):
        with pytest.raises(StageFailed, match="pose: the network gave NaN"):
            events_of(kind, url)
        assert loopback.streams_closed.acquire(timeout=30), "it was cancelled after its last response"


@kinds
def test_a_call_after_close_is_refused(served, kind):
    """Every transport has the same error, for calls and streams."""
    url, _ = served
    if kind == "sync":
        vitrine = Vitrine(url)
        vitrine.close()
        with pytest.raises(BadRequest, match="the client was closed"):
            vitrine.models()
        with pytest.raises(BadRequest, match="the client was closed"):
            list(vitrine.try_on_stream(person=PERSON, garment=COAT))
        return

    async def run():
        vitrine = AsyncVitrine(url)
        await vitrine.close()
        await vitrine.models()

    with pytest.raises(BadRequest, match="the client was closed"):
        asyncio.run(run())


@kinds
def test_headers_arrive_whatever_their_letters(served, kind):
    """A header's name may be written in capitals, which gRPC alone would refuse."""
    url, loopback = served
    called(
        kind, url, lambda vitrine: vitrine.infer("echo", {"x": COAT}), headers={"Authorization": "Bearer k"}
    )
    assert loopback.headers["authorization"] == "Bearer k"


def test_an_address_of_ipv6_is_named_as_it_is_written():
    """gRPC escapes its brackets."""
    said = (
        "failed to connect to all addresses; last error: UNKNOWN: ipv6:%5B::1%5D:1: "
        "Failed to connect to remote host: Connection refused"
    )
    read = read_error(InferenceServerException(said, "StatusCode.UNAVAILABLE"), 1.0)
    assert str(read).startswith("no server answers at [::1]:1 (is it started?): ")
