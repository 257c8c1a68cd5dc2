"""gRPC streams that end in other ways than with their result."""

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc
from vitrine import AsyncVitrine, Cancelled, Retry, Unavailable, Vitrine, VitrineError

PICTURE = np.full((64, 48, 3), 200, np.uint8)
ASKED = {"person": PICTURE, "garment": PICTURE}
ONCE = Retry(tries=1)
EVENT = b'{"kind": "progress", "step": 1, "steps": 9, "elapsed_s": 0, "left_s": 1}'


class Odd(service_pb2_grpc.GRPCInferenceServiceServicer):
    """A server whose streams send one event and then wait, or end; its single calls wait."""

    def __init__(self):
        self.ends = False
        self.begun, self.over = threading.Event(), threading.Event()

    def ModelInfer(self, request, context):
        self.wait(context)
        context.abort(grpc.StatusCode.INTERNAL, "over")

    def ModelStreamInfer(self, requests, context):
        next(requests)
        yield service_pb2.ModelStreamInferResponse(infer_response=answered({"event": EVENT}))
        if not self.ends:
            self.wait(context)

    def wait(self, context):
        self.begun.set()
        while context.is_active() and not self.over.wait(0.02):
            pass


def answered(outputs):
    """A response with these outputs of one value each."""
    raw = [len(value).to_bytes(4, "little") + value for value in outputs.values()]
    response = service_pb2.ModelInferResponse(raw_output_contents=raw)
    for name in outputs:
        response.outputs.add(name=name, datatype="BYTES", shape=[1])
    return response


@pytest.fixture
def odd():
    """A running Odd server: (its address, the server's behaviour)."""
    behaviour, server = Odd(), grpc.server(ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(behaviour, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", behaviour
    behaviour.over.set()
    server.stop(0).wait()


def test_a_stream_without_a_server_is_unavailable_each_time():
    """However early the connection fails, the caller gets Unavailable, after its tries."""
    with Vitrine("127.0.0.1:9", timeout_s=8, retry=Retry(tries=2, first_s=0.01)) as vitrine:
        for _ in range(10):
            with pytest.raises(Unavailable, match="no server answers"):
                list(vitrine.try_on_stream(**ASKED))


def test_a_stream_that_a_variable_holds_keeps_no_program_from_ending(odd):
    """A program that left its stream open ends at once, not at the stream's time limit."""
    program = f"""
import numpy as np
from vitrine import Vitrine
picture = np.zeros((64, 48, 3), np.uint8)
events = Vitrine("{odd[0]}", timeout_s=100).try_on_stream(person=picture, garment=picture)
print(next(events).step)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stream_that_the_server_closes_without_its_result_ends_at_once(odd, kind):
    """The error comes with the server's end of the stream."""
    address, behaviour = odd
    behaviour.ends = True
    started = time.monotonic()

    async def awaited():
        async with AsyncVitrine(address, retry=ONCE) as vitrine:
            return [event async for event in vitrine.try_on_stream(**ASKED)]

    with Vitrine(address, retry=ONCE) as vitrine, pytest.raises(VitrineError, match="before its result"):
        asyncio.run(awaited()) if kind == "async" else list(vitrine.try_on_stream(**ASKED))
    assert time.monotonic() - started < 30


def test_closing_the_client_cancels_its_streams(odd):
    """Who reads a stream gets Cancelled when another thread closes the client."""
    vitrine = Vitrine(odd[0], retry=ONCE)
    events = vitrine.try_on_stream(**ASKED)
    next(events)
    vitrine.close()
    with pytest.raises(Cancelled):
        next(events)


@pytest.mark.parametrize("streams", [False, True])
async def test_closing_the_async_client_cancels_its_calls_and_not_their_tasks(odd, streams):
    """The caller gets Cancelled, a VitrineError; CancelledError would end its task silently."""
    address, behaviour = odd
    vitrine = AsyncVitrine(address, retry=ONCE)

    async def call():
        if not streams:
            return await vitrine.try_on(**ASKED)
        return [event async for event in vitrine.try_on_stream(**ASKED)]

    task = asyncio.create_task(call())
    assert await asyncio.to_thread(behaviour.begun.wait, 30)
    await vitrine.close()
    with pytest.raises(Cancelled, match="the client was closed"):
        await task
