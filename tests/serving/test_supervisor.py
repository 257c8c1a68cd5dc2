"""What happens when a process of the server is killed, and how service comes back."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import tritonclient.grpc as grpc
from conftest import ANY_PORTS
from tritonclient.utils import InferenceServerException
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.embedded.supervisor import Supervisor, stubs

CONFIG = """
name: "wait" backend: "python" max_batch_size: 0
input [ { name: "seconds" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "seconds" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU } ]
"""
MODEL = '''
import threading
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Answers later, from another thread, as the models of the project do."""

    def execute(self, requests):
        for request in requests:
            tensor = pb_utils.get_input_tensor_by_name(request, "seconds")
            sender, response = request.get_response_sender(), pb_utils.InferenceResponse([tensor])
            final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
            threading.Timer(float(tensor.as_numpy()[0]), sender.send, [response], {"flags": final}).start()
        return [None] * len(requests)
'''


@pytest.fixture(scope="module")
def waiter(tmp_path_factory):
    """A server with one small model."""
    repository = tmp_path_factory.mktemp("supervised") / "repository"
    version = repository / "wait" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(MODEL)
    (repository / "wait" / "config.pbtxt").write_text(CONFIG)
    with EmbeddedTriton(repository, ports=ANY_PORTS) as server:
        yield server


def ask(server, seconds):
    """One request that takes that long."""
    tensor = grpc.InferInput("seconds", [1], "FP32")
    tensor.set_data_from_numpy(np.array([seconds], np.float32))
    with server.client() as client:
        return client.infer("wait", [tensor], client_timeout=120).as_numpy("seconds")[0]


def kill_stub(server):
    """SIGKILL to the model's process."""
    (pid,) = [pid for pid, model in stubs(server.pid).items() if model == "wait"]
    os.kill(pid, signal.SIGKILL)
    while pid in stubs(server.pid):
        time.sleep(0.01)


def test_a_killed_stub_makes_its_model_fail_while_it_seems_ready(waiter):
    """Triton's own behaviour: no restart, an error for each request, and still ready; then a reload helps."""
    told = []
    supervisor = Supervisor(waiter, told.append)
    kill_stub(waiter)
    with waiter.client() as client:
        assert client.is_model_ready("wait")
    with pytest.raises(InferenceServerException, match="not healthy"):
        ask(waiter, 0)
    server = waiter.pid
    supervisor.check()
    assert ask(waiter, 0) == 0
    assert waiter.pid == server
    assert told == ["a process of wait died: loading the model again", "wait is back"]


def test_requests_of_a_dead_process_cost_a_restart(waiter):
    """Triton waits for their answers for ever: the server is started anew on the same ports."""
    supervisor, ports = Supervisor(waiter, lambda text: None), waiter.ports
    failed = []

    def lost():
        try:
            ask(waiter, 600)
        except InferenceServerException as error:
            failed.append(error)

    asking = threading.Thread(target=lost)
    asking.start()
    time.sleep(0.5)
    kill_stub(waiter)
    supervisor.check()
    asking.join(30)
    assert len(failed) == 1
    assert ask(waiter, 0) == 0
    assert waiter.ports == ports


def test_a_killed_server_is_started_again(waiter):
    """Its stubs and shared memory are cleared away first."""
    supervisor = Supervisor(waiter, lambda text: None)
    left = stubs(waiter.pid)
    os.kill(waiter.pid, signal.SIGKILL)
    while waiter.alive:
        time.sleep(0.01)
    supervisor.check()
    assert ask(waiter, 0) == 0
    assert not any(os.path.exists(f"/proc/{pid}") for pid in left)


def test_an_unloaded_model_is_left_alone(waiter):
    """Only deaths are mended, not decisions."""
    told = []
    supervisor = Supervisor(waiter, told.append)
    with waiter.client() as client:
        client.unload_model("wait")
    while stubs(waiter.pid):
        time.sleep(0.01)
    supervisor.check()
    assert told == []
    waiter.load(["wait"])
