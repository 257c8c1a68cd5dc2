"""What the model.py files of the repository share: a Triton model whose answers come from a pipeline."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitrine_orchestrator.adapters.metrics import ModelMetrics
from vitrine_orchestrator.adapters.service import Handler, Service
from vitrine_orchestrator.manifest import Manifest, read_manifest
from vitrine_orchestrator.pictures import Limits
from vitrine_orchestrator.pipelines.context import Context
from vitrine_orchestrator.pipelines.memo import Memo, NoMemo
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stage_calls import Stages


@dataclass(frozen=True)
class Opened:
    """One version of a model as Triton starts it."""

    name: str
    folder: Path  # its version folder
    settings: Settings
    manifest: Manifest
    memo: Memo
    in_flight: int

    def context(self, stages: Stages) -> Context:
        """The surroundings of a pipeline for one request."""
        limits = Limits(self.settings.max_picture_bytes, self.settings.max_pixels)
        return Context(stages, self.manifest, self.memo, limits)

    def serve(self, pb_utils: Any, handler: Handler) -> Service:
        """Start answering; `pb_utils` is triton_python_backend_utils."""
        return Service(pb_utils, handler, ModelMetrics(pb_utils, self.name), self.in_flight)


def open_model(args: Mapping[str, str]) -> Opened:
    """Read what `TritonPythonModel.initialize` is given, the settings and the manifest."""
    config = json.loads(args["model_config"])
    folder = Path(args["model_repository"]) / args["model_version"]
    return Opened(
        name=config["name"],
        folder=folder,
        settings=Settings.from_environment(os.environ),
        manifest=read_manifest(folder),
        memo=NoMemo(),
        in_flight=int(config["parameters"]["in_flight"]["string_value"]),
    )
