"""Triton's adapter of the denoise model: tensors to arrays, arrays to responses, nothing else."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils
from vitrine_orchestrator.adapters.bls import host_arrays
from vitrine_orchestrator.adapters.sending import send_last
from vitrine_orchestrator.denoise.front import open_front
from vitrine_orchestrator.denoise.metrics import TritonMetrics
from vitrine_orchestrator.denoise.settings import DenoiseSettings
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
            self.front.handle(
                host_arrays(request.inputs()), partial(send_last, pb_utils, sender), sender.is_cancelled
            )
        return [None] * len(requests)

    def finalize(self) -> None:
        """Finish the jobs in flight."""
        self.front.close()
