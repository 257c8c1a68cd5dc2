"""Triton's adapter of the denoise model: tensors to arrays, arrays to responses, nothing else."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils
from vitrine.errors import VitrineError, to_wire
from vitrine_orchestrator.adapters.bls import host_arrays
from vitrine_orchestrator.batching.front import open_front
from vitrine_orchestrator.batching.metrics import TritonMetrics
from vitrine_orchestrator.batching.settings import DenoiseSettings
from vitrine_orchestrator.engine.rows import Arrays
from vitrine_orchestrator.manifest import read_manifest_json


class TritonPythonModel:
    """Takes requests at once and answers each when its job is over, from another thread."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the engine that this version's folder holds."""
        config = json.loads(args["model_config"])
        folder = Path(args["model_repository"]) / args["model_version"]
        given = {name: value["string_value"] for name, value in config["parameters"].items()}
        self.front = open_front(
            folder,
            read_manifest_json(folder),
            DenoiseSettings.from_parameters(given),
            publish=TritonMetrics(pb_utils).publish,
            device_id=int(args["model_instance_device_id"]),
        )

    def execute(self, requests: Sequence[Any]) -> list[None]:
        """Hand the requests over; their responses follow."""
        for request in requests:
            sender = request.get_response_sender()
            self.front.handle(host_arrays(request.inputs()), partial(respond, sender), sender.is_cancelled)
        return [None] * len(requests)

    def finalize(self) -> None:
        """Finish the jobs in flight."""
        self.front.close()


def respond(sender: Any, answer: Arrays | VitrineError) -> None:
    """Send the one response of a request."""
    if isinstance(answer, VitrineError):
        code, text = to_wire(answer)
        error = pb_utils.TritonError(text, getattr(pb_utils.TritonError, code))
        response = pb_utils.InferenceResponse(error=error)
    else:
        response = pb_utils.InferenceResponse([pb_utils.Tensor(*output) for output in answer.items()])
    sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
