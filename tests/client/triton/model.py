"""A Triton model that answers from the client's shipped fake, steered by the request's description.

"busy" and "stage failed" fail in that way. "slow" waits until its caller has gone, and then writes the file
`left` into its folder.
"""

import json
import threading
import time
from pathlib import Path

import numpy as np
import triton_python_backend_utils as pb_utils
from vitrine import Busy, FakeTransport, StageFailed, VitrineError
from vitrine.errors import to_wire

FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL


class TritonPythonModel:
    """One of the models try_on, try_on_stream and prepare_*, chosen by the model's name."""

    def initialize(self, args):
        """Read the model's name and folder."""
        self.name = args["model_name"]
        self.left = Path(args["model_repository"]) / "left"

    def execute(self, requests):
        """Answer each request from a thread of its own."""
        for request in requests:
            threading.Thread(target=self.answer, args=[request, request.get_response_sender()]).start()
        return None if self.name == "try_on_stream" else [None] * len(requests)  # decoupled or not

    def answer(self, request, sender):
        """Send all of a request's responses."""
        inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
        try:
            self.steered(inputs.get("description", [b""])[0].decode(), sender)
            if self.name == "try_on_stream":
                for outputs in FakeTransport().stream(self.name, inputs, timeout_s=1):
                    sender.send(response(outputs))
                sender.send(flags=FINAL)
            else:
                sender.send(response(FakeTransport().infer(self.name, inputs, timeout_s=1)), flags=FINAL)
        except VitrineError as error:
            code, text = to_wire(error)
            error = pb_utils.TritonError(text, getattr(pb_utils.TritonError, code))
            sender.send(pb_utils.InferenceResponse(error=error), flags=FINAL)

    def steered(self, word, sender):
        """Fail or wait as the description says."""
        if word == "busy":
            raise Busy("64 jobs wait, which is the limit")
        if word == "stage failed":
            raise StageFailed("pose", "the network gave NaN")
        until = time.monotonic() + 60 if word == "slow" else 0
        if word == "slow" and self.name == "try_on_stream":
            event = json.dumps({"kind": "progress", "step": 1, "steps": 30, "elapsed_s": 0, "left_s": None})
            sender.send(response({"event": np.array([event.encode()], object)}))
        while time.monotonic() < until:
            if sender.is_cancelled():
                self.left.touch()
                return
            time.sleep(0.02)


def response(outputs):
    """Tensors by name as a response."""
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in outputs.items()])
