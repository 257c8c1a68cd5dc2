"""Starts the model `denoise`: the batcher behind the service that all Python models share."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitrine_orchestrator.adapters.metrics import (
    METRIC_FAMILIES,
    FigureMetrics,
    ModelMetrics,
    metric_families,
)
from vitrine_orchestrator.adapters.programs import PROGRAMS, open_program
from vitrine_orchestrator.adapters.service import METRICS_S, UNBOUNDED, Outputs, Send, Service
from vitrine_orchestrator.batching.denoise_model import DenoiseModel
from vitrine_orchestrator.batching.metrics import FIGURES
from vitrine_orchestrator.batching.service import DenoiseService
from vitrine_orchestrator.batching.settings import DenoiseSettings
from vitrine_orchestrator.manifest import Manifest, read_manifests
from vitrine_orchestrator.residency.movable import FAMILY
from vitrine_orchestrator.residency.resting import has_budget, keep_heap, rest_when_asked
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages import stage
from vitrine_orchestrator.stages.calls import Stages


def open_front(
    folder: Path,
    manifests: Mapping[str, Manifest],
    settings: Settings,
    provider: str = "cpu",
    device_id: int = 0,
    in_flight: int = stage("denoise").in_flight,
) -> DenoiseModel:
    """Open the denoise model of a version folder, without Triton: one program for each manifest, by family.

    Raises Unavailable for a missing graph, UnsupportedScheduler for a scheduler that is not implemented.
    """
    programs = {
        family: open_program(folder, manifest, settings, provider, device_id)
        for family, manifest in manifests.items()
    }
    limits = DenoiseSettings(
        in_flight=in_flight,
        max_rows=settings.denoise_max_rows,
        call_rows=settings.denoise_call_rows,
        max_running=settings.denoise_max_running,
    )
    return DenoiseModel(DenoiseService(programs, limits))


def serve_denoise(args: Mapping[str, str], pb_utils: Any) -> Service:
    """Start answering; `args` is what `TritonPythonModel.initialize` is given."""
    config = json.loads(args["model_config"])
    parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
    folder = Path(args["model_repository"]) / args["model_version"]
    manifests = read_manifests(folder)
    if FAMILY in parameters:  # a server with a memory budget: see residency/movable.py
        manifests = {parameters[FAMILY]: manifests[parameters[FAMILY]]}
    rests = parameters["provider"] == "cpu" and has_budget()
    if rests:
        keep_heap()
    front = open_front(
        folder,
        manifests,
        Settings.from_environment(os.environ),
        parameters["provider"],
        int(args["model_instance_device_id"]),
        int(parameters["in_flight"]),
    )
    if rests:
        rest_when_asked(config["name"])
    return serve_front(front, config["name"], pb_utils)


def serve_front(front: DenoiseModel, name: str, pb_utils: Any) -> Service:
    """Answer the requests of model `name` with `front`; publish its counters and those of its programs."""
    programs = front.service.programs
    own = {family: PROGRAMS[family].figures for family in programs if family in PROGRAMS}
    metrics = ModelMetrics(
        pb_utils, name, (*METRIC_FAMILIES, *metric_families((*FIGURES, *sum(own.values(), ()))))
    )
    counted = [FigureMetrics(FIGURES, front.service.counters, metrics)]
    counted += [FigureMetrics(figures, programs[family], metrics) for family, figures in own.items()]

    async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        return await front.answer(inputs)

    def publish() -> None:
        for figures in counted:
            figures.publish()

    async def finish() -> None:
        await asyncio.to_thread(front.close)
        publish()

    row = stage("denoise")
    service = Service(pb_utils, row, answer, metrics, UNBOUNDED, finish)  # the batcher has its own limit
    service.every(METRICS_S, publish)
    return service
