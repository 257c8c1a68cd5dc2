"""The containers' probe docker/alive.py is run against a stand-in for Triton."""

import json
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from vitrine_orchestrator.stages import STAGES

REFUSED = (400, "bad request: person, person_raw or person_id must be given")
UNHEALTHY = (500, "Stub process 'denoise_0_0' is not healthy.")
FULL = (503, "Exceeds maximum queue size")
WAITED = (503, "busy: the request waited for compose for 1 s")


@pytest.fixture
def probe(root):
    """Runs the probe against models that answer as given; each other model refuses an empty request."""
    told, asked, unloaded = {}, [], set()

    class Triton(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            model, way = self.path.removeprefix("/v2/models/").split("/")
            asked.append((model, way, body))
            status, text = told.get(model, REFUSED)
            content = json.dumps({"error": text}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self):
            model = self.path.removeprefix("/v2/models/").removesuffix("/ready")
            self.send_response(400 if model in unloaded else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Triton)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def run(answers, *options):
        told.update(answers)
        url = f"http://127.0.0.1:{server.server_port}"
        command = [sys.executable, root / "docker" / "alive.py", "--url", url, "--pause", "0", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    run.asked, run.unloaded = asked, unloaded
    yield run
    server.shutdown()
    server.server_close()


@pytest.fixture
def server_process():
    """A process that the probe may end."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_a_model_that_refuses_an_empty_request_is_alive(probe):
    """The probe sends each Python model one request of the highest priority."""
    assert probe({}).returncode == 0
    assert {model for model, _, _ in probe.asked} == {row.name for row in STAGES if row.in_flight}
    assert all(body["parameters"]["priority"] == 1 for _, way, body in probe.asked if way == "infer")


def test_a_model_whose_process_is_dead_is_named(probe):
    """The probe names the model after the given number of tries."""
    done = probe({"denoise": UNHEALTHY}, "--tries", "3")
    assert done.returncode == 1
    assert done.stderr.startswith("denoise: ")
    assert [model for model, _, _ in probe.asked].count("denoise") == 3


@pytest.mark.parametrize(("model", "answer"), [("try_on", FULL), ("compose", WAITED)])
def test_a_busy_model_is_alive(probe, model, answer):
    """A full queue is overload, not a reason to restart; nor is one in which the probe has waited."""
    assert probe({model: answer}).returncode == 0


def test_a_server_with_a_dead_model_is_ended(probe, server_process):
    """The probe ends the server by SIGTERM, so that running requests can finish."""
    probe({"denoise": UNHEALTHY}, "--end", str(server_process.pid))
    assert server_process.wait(10) == -signal.SIGTERM


def test_a_model_that_answers_an_empty_request_is_alive(probe):
    """An empty prompt is a prompt."""
    assert probe({"prepare_prompt": (200, "")}).returncode == 0


def test_a_model_that_is_not_loaded_is_not_asked(probe):
    """A server of try-ons has no models of advertisements; a budget unloads others."""
    probe.unloaded.add("product_ad")
    assert probe({"product_ad": (404, "unknown model")}).returncode == 0
    assert "product_ad" not in {model for model, _, _ in probe.asked}


def test_a_server_that_still_loads_is_left_alone(probe, server_process):
    """The probe fails where no model is loaded yet, and ends nothing."""
    probe.unloaded.update(row.name for row in STAGES)
    done = probe({}, "--end", str(server_process.pid))
    assert done.returncode == 1
    assert "no Python model is loaded" in done.stderr
    assert server_process.poll() is None


def test_a_model_unloaded_meanwhile_ends_nothing(probe, server_process):
    """Its answer is an error, but not that of a dead process."""
    assert probe({"denoise": (404, "unknown model")}, "--end", str(server_process.pid)).returncode == 1
    assert server_process.poll() is None
