"""Traces from a request through its job to the server, and figures of the machine."""

import builtins
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from gateway_in_process import SlowFake
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs
from vitrine.headers import present_headers
from vitrine_gateway.errors import BadSettings
from vitrine_gateway.telemetry import tracing
from vitrine_gateway.telemetry.figures import read_figures
from vitrine_gateway.telemetry.tracing import Tracing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
WAIT = {"Prefer": "wait=30"}
METRICS = """\
# TYPE nv_cpu_utilization gauge
nv_cpu_utilization 0.25
# TYPE nv_cpu_memory_total_bytes gauge
nv_cpu_memory_total_bytes 17179869184.0
# TYPE nv_cpu_memory_used_bytes gauge
nv_cpu_memory_used_bytes 4294967296.0
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{gpu_uuid="GPU-1"} 0.5
# TYPE nv_gpu_memory_total_bytes gauge
nv_gpu_memory_total_bytes{gpu_uuid="GPU-1"} 25769803776.0
# TYPE nv_gpu_memory_used_bytes gauge
nv_gpu_memory_used_bytes{gpu_uuid="GPU-1"} 12884901888.0
"""


class Noting(SlowFake):
    """A fake that notes the traceparent that each request would carry."""

    def __init__(self):
        super().__init__()
        self.parents = []

    async def stream(self, model, inputs, *, timeout_s, version=""):
        self.parents.append(present_headers().get("traceparent"))
        async for outputs in super().stream(model, inputs, timeout_s=timeout_s, version=version):
            yield outputs


@pytest.fixture
def http():
    """A server on loopback: (its address, the bodies posted to it). A GET gets METRICS."""
    posted = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(b"")

        def do_GET(self):
            self.answer(METRICS.encode())

        def answer(self, body):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", posted
    server.shutdown()
    server.server_close()


def spans_of(posted):
    """The spans of exported requests, by name."""
    found = {}
    for body in posted:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                found |= {span.name: span for span in scope.spans}
    return found


@pytest.mark.databases
async def test_a_trace_reaches_from_the_caller_to_the_server(start, form, http):
    """The caller's span, the request, the job and the server's request are one chain at the collector."""
    address, posted = http
    async with start(Noting(), traces=f"{address}/v1/traces") as gateway:
        shop = await gateway.account()
        job = (await shop.post("/v1/jobs", files=form, headers={**HEADERS, **WAIT})).json()
        assert job["status"] == "succeeded"
        (sent,) = gateway.transport.parents
    spans = spans_of(posted)
    request, run = spans["POST /v1/jobs"], spans["job try_on"]
    assert request.trace_id.hex() == run.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == SPAN
    assert run.parent_span_id == request.span_id
    assert sent == f"00-{TRACE}-{run.span_id.hex()}-01"
    told = {one.key: one.value.string_value for one in run.attributes}
    assert (told["job_id"], told["pipeline"]) == (job["id"], "try_on")


async def test_without_a_collector_the_callers_trace_is_passed_on(start, form):
    """Nothing is sent; a traceparent that is none is dropped."""
    async with start(Noting()) as gateway:
        shop = await gateway.account()
        for header in (HEADERS, {"traceparent": "x" * 90}, {}):
            await shop.post("/v1/jobs", files=form, headers={**header, **WAIT})
        assert gateway.transport.parents == [HEADERS["traceparent"], None, None]


async def test_a_collector_that_never_answers_delays_no_stop(start, monkeypatch):
    """The database is closed before the last spans are sent; they are given up after CLOSE_S."""
    monkeypatch.setattr(tracing, "CLOSE_S", 0.1)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent, capture_logs() as logs:
        async with start(workers=0, traces=f"http://127.0.0.1:{silent.getsockname()[1]}") as gateway:
            await (await gateway.account()).get("/v1/credits")
            closed, close = [], type(gateway.parts.database).close

            async def noted(database):
                closed.append(any(one.name == "last spans" for one in threading.enumerate()))
                await close(database)

            monkeypatch.setattr(type(gateway.parts.database), "close", noted)
        assert closed == [False]
        (sending,) = [one for one in threading.enumerate() if one.name == "last spans"]
        assert str([one["event"] for one in logs]).count("the trace collector does not answer") == 1
        sending.join(20)  # it must not outlive the test


def test_traces_need_their_extra(monkeypatch):
    """Without the packages the setting stops the start and says what to install."""
    real = builtins.__import__

    def absent(name, *rest):
        if name.startswith("opentelemetry.sdk") or name.startswith("opentelemetry.exporter"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(BadSettings, match="otel"):
        Tracing("http://127.0.0.1:9/v1/traces")
    Tracing("")


async def test_the_machine_is_shown(start, http):
    """Triton's own figures where its metrics are named; ours where it does not answer."""
    address, _ = http
    async with start(workers=0, triton_metrics=f"{address}/metrics") as gateway:
        shop = await gateway.account()
        body = {"pipeline": "text_to_image", "inputs": {"prompt": "x"}}
        job = (await shop.post("/v1/jobs", json=body)).json()
        shown = (await shop.get(f"/status/{job['id']}")).json()["system_metrics"]
    gpu = {"id": "GPU-1", "utilization_percent": 50, "vram_used_gib": 12, "vram_total_gib": 24}
    assert shown == {"cpu_percent": 25, "ram_used_gib": 4, "ram_total_gib": 16, "gpus": [gpu]}
    async with start(workers=0, triton_metrics="http://127.0.0.1:9/metrics") as gateway:
        own = await gateway.parts.figures.latest()
    assert 0 < own["ram_used_gib"] < own["ram_total_gib"]


def test_metrics_without_figures():
    """A server without them gives none, and our own are shown."""
    assert read_figures("# TYPE nv_other counter\nnv_other 1.0\n") is None
