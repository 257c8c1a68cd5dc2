"""Content types, tracing, pings, proxies and little shared memory neither end nor cut off a server."""

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tritonclient.grpc as grpc
from tiny_repository import write_repository
from tritonclient.utils import InferenceServerException
from vitrine import Busy, Vitrine, VitrineError
from vitrine_orchestrator.embedded import server as servers
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.server import EmbeddedTriton

VITRINE = str(Path(sys.executable).with_name("vitrine"))
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY"), "http://127.0.0.1:9")
FORM, BYTES = "application/x-www-form-urlencoded", "application/octet-stream"
SLEEPER = """
import time
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        tensors = [pb_utils.get_input_tensor_by_name(request, "seconds") for request in requests]
        time.sleep(max(float(tensor.as_numpy()[0]) for tensor in tensors))
        return [pb_utils.InferenceResponse([tensor]) for tensor in tensors]
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Every model of the stage table, on tiny networks."""
    return write_repository(tmp_path_factory.mktemp("hard") / "repository")


@contextmanager
def serving(repository, *options, prefix=(), environment=None):
    """Run `vitrine serve` for the block; gives its addresses, its process and its output."""
    errors = repository.parent / "serve.err"
    ports = [f"--{name}-port=0" for name in ("http", "grpc", "metrics")]
    command = [*prefix, VITRINE, "serve", "--repository", str(repository), *ports, *options]
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with (
        errors.open("w") as said,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=said, text=True, env=clean | (environment or {})
        ) as process,
    ):
        try:
            lines = "".join(process.stdout.readline() for _ in range(4))
            found = dict(re.findall(r"(gRPC|HTTP)\s+(?:http://)?([\d.]+:\d+)", lines))
            assert found, errors.read_text()
            yield SimpleNamespace(grpc=found["gRPC"], http=found["HTTP"], process=process, errors=errors)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="module")
def traced(repository):
    """A server that traces each request, started with proxies set and no exceptions."""
    file = repository.parent / "trace.json"
    options = ("--trace", str(file), "--keepalive", "30", "--", "--trace-config=triton,log-frequency=5")
    with serving(repository, *options, environment=PROXIES) as server:
        server.trace = file
        yield server


def died(server):
    """The report by `vitrine serve` of its tritonserver's death, if any."""
    return re.findall(r".*died.*", server.errors.read_text())


def test_tracing_ends_no_server(traced, person, garment):
    """Requests run in turn and concurrently; the trace names the models that callers call."""
    with Vitrine(traced.grpc, timeout_s=120) as vitrine, ThreadPoolExecutor(4) as pool:
        made = [vitrine.try_on(person=person, garment=garment, steps=2, seed=seed) for seed in range(3)]
        made += pool.map(
            lambda seed: vitrine.try_on(person=person, garment=garment, steps=2, seed=seed), range(8)
        )
        events = list(vitrine.try_on_stream(person=person, garment=garment, steps=2))
    assert len(made) == 11
    assert events
    assert not died(traced)
    (written, *_) = sorted(traced.trace.parent.glob("trace.json*"))
    assert {one["model_name"] for one in json.loads(written.read_text()) if "model_name" in one} == {"try_on"}


def post(server, size, kind):
    """Send a try-on with a person of this many bytes and this content type; returns the answer's text."""
    value = b"\x89PNG" + os.urandom(1_000_000) * (size // 1_000_000)
    inputs = [{"name": "person", "shape": [1], "datatype": "BYTES"}]
    inputs[0]["parameters"] = {"binary_data_size": len(value) + 4}
    head = json.dumps({"inputs": inputs}).encode()
    body = head + len(value).to_bytes(4, "little") + value
    host, port = server.http.split(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        lines = (
            f"POST /v2/models/try_on/infer HTTP/1.1\r\nHost: {server.http}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nInference-Header-Content-Length: {len(head)}\r\n"
            "Connection: close\r\n\r\n"
        )
        connection.sendall(lines.encode() + body)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()


KINDS = (BYTES, FORM, f"{FORM}; charset=utf-8", "multipart/form-data; boundary=x")
BODIES = [*itertools.product(KINDS, (4, 12)), (FORM, 200)]  # a form's body is the one that is copied


@pytest.mark.parametrize(("kind", "megabytes"), BODIES)
def test_a_body_of_any_content_type_is_answered(traced, kind, megabytes):
    """The stack is large enough for Triton's HTTP library, which copies a form's body onto it."""
    answer = post(traced, megabytes * 1_000_000, kind)
    assert "bad request: " in answer
    assert not died(traced)


def test_loopback_goes_through_no_proxy(traced):
    """The server starts and its client reaches it by any name of this machine."""
    environment = {**os.environ, **PROXIES}
    for url in (traced.grpc, traced.grpc.replace("127.0.0.1", "localhost"), f"http://{traced.http}"):
        command = [VITRINE, "models", "--url", url, "--timeout", "30"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def sleeper(tmp_path_factory):
    """A repository with a model that takes as long as its request says."""
    version = tmp_path_factory.mktemp("sleeper") / "repository" / "sleeper" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(SLEEPER)
    (version.parent / "config.pbtxt").write_text(
        'name: "sleeper" backend: "python" instance_group [ { kind: KIND_CPU } ] '
        'input [ { name: "seconds" data_type: TYPE_FP32 dims: [ 1 ] } ] '
        'output [ { name: "seconds" data_type: TYPE_FP32 dims: [ 1 ] } ]'
    )
    return version.parents[1]


def pinged(server, seconds):
    """A call of this many seconds, by a client that pings ten times a second."""
    tensor = grpc.InferInput("seconds", [1], "FP32")
    tensor.set_data_from_numpy(np.array([seconds], np.float32))
    pings = [
        ("grpc.keepalive_time_ms", 100),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.enable_http_proxy", 0),
    ]
    with grpc.InferenceServerClient(server.grpc, channel_args=pings) as client:
        return client.infer("sleeper", [tensor], client_timeout=60).as_numpy("seconds")[0]


def test_a_client_may_ping_during_a_long_quiet_call(sleeper):
    """The client is not cut off for too many pings."""
    with EmbeddedTriton(sleeper, ports=ANY_PORTS) as server:
        assert pinged(server, 4) == 4


def test_without_our_options_triton_cuts_such_a_client_off(sleeper, monkeypatch):
    """Control of the test above: without our options the client is cut off."""
    monkeypatch.setattr(servers, "KEEPALIVE", ())
    cut_off = pytest.raises(InferenceServerException, match=r"(?i)too.?many.?pings")
    with EmbeddedTriton(sleeper, ports=ANY_PORTS) as server, cut_off:
        for _ in range(20):  # a call may just end before its connection is closed
            pinged(server, 6)


def test_a_lower_limit_of_the_stack_is_a_warning(sleeper):
    """The server starts with the allowed stack and warns about large bodies of forms."""
    with serving(sleeper, prefix=["sh", "-c", 'ulimit -s 16384; exec "$@"', "sh"]) as server:
        said = server.errors.read_text()
    assert "the stack of the server's threads is limited to 16 MiB (wanted: 576 MiB)" in said
    assert "more than 8 MiB whose content type is application/x-www-form-urlencoded" in said


def little(megabytes):
    """A command prefix that gives this much shared memory, in a mount namespace of its own."""
    mount = f'mount -t tmpfs -o size={megabytes}m tmpfs /dev/shm && exec "$@"'
    prefix = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    return prefix


def test_with_little_shared_memory_each_caller_gets_an_answer(repository, person, garment):
    """Each caller gets a picture, or an error that names shared memory; small requests keep their room."""
    noise = [np.random.default_rng(seed).bytes(9_000_000) for seed in range(8)]
    with serving(repository, prefix=little(64)) as server, Vitrine(server.grpc, timeout_s=120) as vitrine:
        assert "/dev/shm (shared memory) has 64 MiB free" in server.errors.read_text()

        def large(number):
            if number % 2:
                return vitrine.try_on(person=person, garment=garment, steps=2, seed=number)
            pictures = {"person": np.array([noise[number]], object), "garment": np.array([garment], object)}
            return vitrine.infer("try_on", pictures)

        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(large, number) for number in range(8)]
        for answer in answers:
            if isinstance(error := answer.exception(), Busy):
                assert "shared memory" in str(error)
            elif error:
                assert isinstance(error, VitrineError)  # noise is no picture
                assert "bytes of another kind; send PNG, JPEG, WebP, HEIC or AVIF" in str(error)
        for seed in range(3):
            assert vitrine.try_on(person=person, garment=garment, steps=2, seed=seed).encoded


def test_too_little_shared_memory_is_reported_at_the_start(repository):
    """The error is one sentence, before Triton starts."""
    command = [*little(48), VITRINE, "serve", "--repository", str(repository)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "/dev/shm has 48 MiB free, one try-on at a time needs" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("--model-repository=/tmp", "--repository of vitrine serve sets it"),
        ("--model-contr=none", "vitrine serve loads the models itself"),
        ("--http-port=1", "on the ports of --http-port"),
        ("--backend-config=python,shm-region-prefix-name=x", "vitrine serve removes files with this prefix"),
        ("-h", "must begin with --"),
        ("word", "must begin with --"),
    ],
)
def test_an_option_that_is_ours_is_refused_by_name(repository, option, reason):
    """The error has the reason, before anything starts."""
    command = [VITRINE, "serve", "--repository", str(repository), "--", option]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "bad settings: " in done.stderr
    assert reason in done.stderr


def test_options_reach_tritonserver(sleeper):
    """Options are passed unchanged."""
    options = ["--log-verbose", "1", "--id=mine"]
    with EmbeddedTriton(sleeper, ports=ANY_PORTS, options=options) as server, server.client() as client:
        assert client.get_server_metadata().name == "mine"
