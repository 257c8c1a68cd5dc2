"""The adapter between Triton and the pipelines, with a stand-in for triton_python_backend_utils."""

import asyncio
import gc
import threading
import time
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from vitrine.errors import BadRequest, Busy, StageFailed, Unavailable, VitrineError
from vitrine_orchestrator.adapters.bls import BlsStages, stage_error
from vitrine_orchestrator.adapters.metrics import FakeMetrics
from vitrine_orchestrator.adapters.service import CANCEL_POLL_S, Service
from vitrine_orchestrator.stages import Queue, Stage, table


class Error:
    """TritonError: a message and a code."""

    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG, UNAVAILABLE, CANCELLED = range(6)

    def __init__(self, message, code=INTERNAL):
        self._message, self._code = message, code

    def message(self):
        return self._message

    def code(self):
        return self._code


class Tensor:
    """A named array."""

    def __init__(self, name, array):
        self._name, self._array = name, array

    def name(self):
        return self._name

    def as_numpy(self):
        return self._array


class Sender:
    """A sender that keeps the responses; the last one sets `done`."""

    def __init__(self):
        self.sent, self.done, self.gone, self.looks = [], threading.Event(), False, 0

    def send(self, response, flags=0):
        self.sent.append(response)
        if flags:
            self.done.set()

    def is_cancelled(self):
        self.looks += 1
        return self.gone


class Request:
    """One request with its sender; `parameters` as a model's call has them."""

    def __init__(self, parameters="", **inputs):
        self._inputs, self._parameters, self.sender = inputs, parameters, Sender()

    def parameters(self):
        return self._parameters

    def timeout(self):
        return 0

    def inputs(self):
        return [Tensor(name, array) for name, array in self._inputs.items()]

    def get_response_sender(self):
        return self.sender


PB = SimpleNamespace(
    Tensor=Tensor,
    TritonError=Error,
    TRITONSERVER_RESPONSE_COMPLETE_FINAL=1,
    InferenceResponse=lambda tensors=(), error=None: SimpleNamespace(tensors=tensors, error=error),
)


ROW = Stage("m", (), (), runs=table.Service(in_flight=4))
WAITING_ROW = replace(ROW, runs=table.Service(in_flight=1, own_queue=True), queue=Queue(2, 10_000_000))


@pytest.fixture
def serve():
    """Starts services and closes them."""
    opened = []

    def start(handler, in_flight=4, row=ROW):
        service = Service(PB, row, handler, FakeMetrics(), in_flight)
        opened.append(service)
        return service

    yield start
    for service in opened:
        service.close()


async def double(stages, inputs, send):
    """A handler that doubles a number."""
    return {"y": inputs["x"] * 2}


def test_each_request_is_answered_through_its_sender(serve):
    """Execute returns immediately, and answers come from the loop's thread."""
    service, requests = serve(double), [Request(x=np.array([n])) for n in range(3)]
    service.execute(requests)
    for n, request in enumerate(requests):
        assert request.sender.done.wait(10)
        assert request.sender.sent[0].tensors[0].as_numpy() == [2 * n]


def test_a_pipeline_error_keeps_its_code_and_word(serve):
    """The client can recognise the error's class on the wire."""

    async def refuse(stages, inputs, send):
        raise BadRequest("x must be 1, got 2")

    service, request = serve(refuse), Request()
    service.execute([request])
    assert request.sender.done.wait(10)
    error = request.sender.sent[0].error
    assert (error.message(), error.code()) == ("bad request: x must be 1, got 2", Error.INVALID_ARG)


def test_parameters_that_are_not_utf8_are_the_callers(serve):
    """Triton passes on any bytes, also of the header Host, and its binding decodes them."""

    class Odd(Request):
        def parameters(self):
            return b'{"a": "\xff"}'.decode()

    service, request = serve(double), Odd(x=np.array([1]))
    service.execute([request])
    assert request.sender.done.wait(10)
    error = request.sender.sent[0].error
    assert (error.message(), error.code()) == (
        "bad request: parameters and the header Host must be UTF-8",
        Error.INVALID_ARG,
    )


def test_an_unexpected_error_shows_no_details(serve, caplog):
    """The traceback goes to the server's log only."""

    async def stumble(stages, inputs, send):
        raise KeyError("/secret/path")

    service, request = serve(stumble), Request()
    service.execute([request])
    assert request.sender.done.wait(10)
    assert "secret" not in request.sender.sent[0].error.message()
    assert "secret" in caplog.text


def test_responses_ahead_of_the_last_are_sent_at_once(serve):
    """Progress of a stream is sent immediately."""

    async def stream(stages, inputs, send):
        send({"event": np.array([1])})
        send({"event": np.array([2])})
        return {"event": np.array([3])}

    service, request = serve(stream), Request()
    service.execute([request])
    assert request.sender.done.wait(10)
    assert [one.tensors[0].as_numpy()[0] for one in request.sender.sent] == [1, 2, 3]


def test_execute_waits_when_enough_requests_are_in_flight(serve):
    """Triton's queue then fills, and refuses requests above its size."""
    go_on = threading.Event()

    async def wait(stages, inputs, send):
        await asyncio.to_thread(go_on.wait)
        return {}

    service, requests = serve(wait, in_flight=2), [Request() for _ in range(3)]
    taking = threading.Thread(target=service.execute, args=[requests])
    taking.start()
    taking.join(0.3)
    assert taking.is_alive()
    go_on.set()
    taking.join(10)
    assert all(request.sender.done.wait(10) for request in requests)


def test_requests_can_wait_in_the_process(serve):
    """Execute returns at once; one who leaves while it waits is answered, and one too many is refused."""
    go_on = threading.Event()

    async def wait(stages, inputs, send):
        await asyncio.to_thread(go_on.wait)
        return {}

    service = serve(wait, in_flight=1, row=WAITING_ROW)
    first, leaving, third, refused = requests = [Request() for _ in range(4)]
    service.execute(requests)
    assert refused.sender.done.wait(10)
    assert refused.sender.sent[0].error.message() == "busy: 2 requests wait for m, the limit is 2"
    leaving.sender.gone = True
    assert leaving.sender.done.wait(10)
    assert leaving.sender.sent[0].error.code() == Error.CANCELLED
    go_on.set()
    assert first.sender.done.wait(10)
    assert third.sender.done.wait(10)


def test_a_request_whose_caller_has_gone_is_cancelled(serve):
    """Its work is cancelled and its place is free, while other requests continue."""
    ended = threading.Event()

    async def wait(stages, inputs, send):
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return {}

    service, request = serve(wait, in_flight=1), Request()
    service.execute([request])
    request.sender.gone = True
    assert ended.wait(10)
    assert request.sender.done.wait(10)
    assert request.sender.sent[0].error.code() == Error.CANCELLED


def test_only_callers_that_can_leave_are_looked_at(serve):
    """A call by another model cannot be cancelled, so Triton is not asked whether it was."""

    async def wait(stages, inputs, send):
        await asyncio.sleep(3 * CANCEL_POLL_S)
        return {}

    service, caller, model = serve(wait), Request(), Request(parameters='{"from_model": true}')
    service.execute([caller, model])
    assert caller.sender.done.wait(10)
    assert model.sender.done.wait(10)
    assert caller.sender.looks > 0
    assert model.sender.looks == 0


def test_no_sender_is_held_after_its_last_response(serve):
    """Triton unloads a model when the last one is gone: neither a look nor a reference cycle holds it."""

    async def cycle(stages, inputs, send):
        mine = [send]
        mine.append(mine)
        await asyncio.sleep(3 * CANCEL_POLL_S)  # it is looked at
        return {}

    service, request = serve(cycle), Request()
    service.execute([request])
    assert request.sender.done.wait(10)
    held = weakref.ref(request.sender)
    del request
    give_up = time.monotonic() + 10
    while held() is not None and time.monotonic() < give_up:
        time.sleep(0.05)
    assert held() is None


def test_requests_are_counted_by_outcome(serve):
    """Done and refused requests and seconds are counted, and none stays in flight."""

    async def sometimes(stages, inputs, send):
        if inputs["x"][0]:
            raise Busy("later")
        return {}

    service = serve(sometimes)
    requests = [Request(x=np.array([n])) for n in (0, 0, 1)]
    service.execute(requests)
    assert all(request.sender.done.wait(10) for request in requests)
    give_up = time.monotonic() + 10
    while service.metrics.sums["vitrine_in_flight",] and time.monotonic() < give_up:
        time.sleep(0.01)
    assert service.metrics.sums["vitrine_requests_total", "done"] == 2
    assert service.metrics.sums["vitrine_requests_total", "busy"] == 1
    assert service.metrics.sums["vitrine_in_flight",] == 0


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("INVALID_ARG", "bad request: no person found", BadRequest),
        ("UNAVAILABLE", "busy: 64 jobs are in flight", Busy),
        ("UNAVAILABLE", "Exceeds maximum queue size", Busy),
        ("INTERNAL", "Stub process 'pose_0_0' is not healthy.", Unavailable),
        ("INTERNAL", "the backend failed", StageFailed),
        ("INVALID_ARG", "unexpected shape for input 'image'", StageFailed),
        (None, "Failed for execute the inference request. Model 'pose' is not ready.", Unavailable),
        ("NOT_FOUND", "Request for unknown model: 'pose' version 2 is not found", Unavailable),
        ("INTERNAL", "internal: internal error", VitrineError),
    ],
)
def test_a_stage_error_keeps_its_kind(code, text, kind):
    """Errors of our models pass; an inner call that Triton refuses is not the caller's fault."""
    assert type(stage_error("prepare_person", 1, code, text)) is kind


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("INVALID_ARG", "bad request: pose cannot run on image FP32 [1, 3, 0, 0]: no axis may be 0"),
        ("INTERNAL", "internal: pose has no memory left for image FP32 [1, 3, 8, 8]"),
    ],
)
def test_a_network_that_cannot_run_is_not_the_fault_of_the_pipelines_caller(code, text):
    """The pipeline has given it those inputs."""
    error = stage_error("pose", 1, code, text)
    assert type(error) is StageFailed
    assert str(error) == f"pose: {text.partition(': ')[2]}"


def test_a_refused_request_is_not_kept_in_memory(serve):
    """A refused request is freed without a garbage collection, since its inputs may hold 100 MB."""
    seen = []

    async def refuse(stages, inputs, send):
        seen.append(weakref.ref(inputs["x"]))
        raise BadRequest("x must be small")

    service, request = serve(refuse), Request(x=np.zeros(3))
    gc.disable()
    try:
        service.execute([request])
        assert request.sender.done.wait(10)
        give_up = time.monotonic() + 10
        while seen[0]() is not None and time.monotonic() < give_up:
            time.sleep(0.01)
        assert seen[0]() is None
    finally:
        gc.enable()


def test_a_stage_is_called_in_the_version_that_the_pipeline_names():
    """A stage is called in that version, not in the highest; the error of a missing one names it."""
    asked = []

    class Request:
        def __init__(self, **given):
            asked.append((given["model_name"], given["model_version"], given["parameters"]))

        async def async_exec(self):
            raise RuntimeError("Request for unknown model: 'pose' version 3 is not found")

    stand_in = SimpleNamespace(
        InferenceRequest=Request,
        Tensor=Tensor,
        PreferredMemory=lambda *where: where,
        TRITONSERVER_MEMORY_CPU=0,
        TritonModelException=RuntimeError,
    )
    with pytest.raises(Unavailable, match="version 3 of stage pose is not loaded"):
        asyncio.run(BlsStages(stand_in, {"pose": 3}.__getitem__)("pose", {"image": np.zeros(1)}))
    assert asked == [("pose", 3, {"from_model": True})]
