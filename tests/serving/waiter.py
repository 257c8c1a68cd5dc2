"""A small model that answers after as many seconds as it is asked for."""

import os
import signal
import time

import numpy as np
import tritonclient.grpc as grpc
from vitrine_orchestrator.embedded.processes import look, stubs

LEAVE = -1.0  # instead of seconds: its process ends with exit code 0
CONFIG = """
name: "wait" backend: "python" max_batch_size: 0
version_policy { all {} }
input [ { name: "seconds" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "seconds" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU } ]
"""
MODEL = '''
import os
import threading
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Answers later, from another thread, as the models of the project do."""

    def execute(self, requests):
        for request in requests:
            tensor = pb_utils.get_input_tensor_by_name(request, "seconds")
            if tensor.as_numpy()[0] < 0:
                os._exit(0)
            sender, response = request.get_response_sender(), pb_utils.InferenceResponse([tensor])
            final = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
            threading.Timer(float(tensor.as_numpy()[0]), sender.send, [response], {"flags": final}).start()
        return [None] * len(requests)
'''


def write_waiter(repository, versions=("1",)):
    """Write a repository with that model; returns its path."""
    for version in versions:
        folder = repository / "wait" / version
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(MODEL)
    (repository / "wait" / "config.pbtxt").write_text(CONFIG)
    return repository


def ask(server, seconds, version=""):
    """Send one request that takes that long."""
    tensor = grpc.InferInput("seconds", [1], "FP32")
    tensor.set_data_from_numpy(np.array([seconds], np.float32))
    with server.client() as client:
        answer = client.infer("wait", [tensor], model_version=version, client_timeout=120)
    return answer.as_numpy("seconds")[0]


def kill_stub(server, name, how=signal.SIGKILL):
    """Send a signal to the model's process, and wait until it has ended.

    One that is being ended has no arguments any more, so `stubs` does not list it; only a zombie has ended.
    """
    (pid,) = [pid for pid, model in stubs(server.pid).items() if model == name]
    os.kill(pid, how)
    while (stub := look(server.pid).get(pid)) and not stub.ended:
        time.sleep(0.01)


def check_until(supervisor, told, *texts):
    """Check as `vitrine serve` does, until one of these was told: a single check may meet a busy server."""
    give_up = time.monotonic() + 60
    while not set(texts) & set(told):
        assert time.monotonic() < give_up, told
        supervisor.check()
