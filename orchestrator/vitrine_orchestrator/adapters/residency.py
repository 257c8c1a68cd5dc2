"""Starts the model `residency`, which owns the memory of a server with a budget, and shows it."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from vitrine.errors import Unavailable

from vitrine_orchestrator.adapters.metrics import (
    METRIC_FAMILIES,
    FigureMetrics,
    ModelMetrics,
    metric_families,
)
from vitrine_orchestrator.adapters.service import METRICS_S, Outputs, Send, Service
from vitrine_orchestrator.pipeline.request_context import text_array
from vitrine_orchestrator.residency.address import socket_name
from vitrine_orchestrator.residency.amounts import OFF, read_bytes
from vitrine_orchestrator.residency.control import TritonControl
from vitrine_orchestrator.residency.figures import FIGURES
from vitrine_orchestrator.residency.layout import name_of, write_model
from vitrine_orchestrator.residency.meter import Meter, MeterKind, open_meter
from vitrine_orchestrator.residency.movable import Movable, movables
from vitrine_orchestrator.residency.owner import Owner
from vitrine_orchestrator.residency.policy import Residency
from vitrine_orchestrator.residency.resident import Limits, Resident
from vitrine_orchestrator.residency.sizes import PROCESS_BYTES, KeptSizes, Size, estimate
from vitrine_orchestrator.settings import Settings
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.stages.residency import ROW

PROCESS_LOADS = 2  # loads at the same time where every model is a process; a device is measured load by load


def serve_residency(args: Mapping[str, str], pb_utils: Any) -> Service:
    """Start owning; `args` is what `TritonPythonModel.initialize` is given."""
    config = json.loads(args["model_config"])
    parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
    settings, server = Settings.from_environment(os.environ), os.getppid()
    owner = open_owner(Path(args["model_repository"]).parent, parameters, settings, server)
    metrics = ModelMetrics(pb_utils, config["name"], (*METRIC_FAMILIES, *metric_families(FIGURES)))

    async def answer(stages: Stages, inputs: Outputs, send: Send) -> Outputs:
        return {"state": text_array(json.dumps(owner.state()))}

    service = Service(pb_utils, ROW, answer, metrics, int(parameters["in_flight"]))
    service.every(METRICS_S, FigureMetrics(FIGURES, owner, metrics).publish)
    threading.Thread(
        target=lambda: asyncio.run(owner.run(socket_name(server))), name="residency", daemon=True
    ).start()
    return service


def open_owner(folder: Path, parameters: Mapping[str, str], settings: Settings, server: int) -> Owner:
    """The owner of a server's memory.

    folder: of the models that are made of others. parameters: what layout.write_owner wrote. server: the
    process id of tritonserver. Raises Unavailable without a budget, or if the memory cannot be measured.
    """
    if settings.memory == OFF:
        raise Unavailable("residency needs a memory budget: VITRINE_MEMORY")
    repository = Path(parameters["repository"])
    found = {one.name: one for one in movables(repository, parameters["models"].split(","))}
    meter = open_meter(cast(MeterKind, parameters["meter"]), server)
    sizes = KeptSizes(
        settings.memory_sizes or folder / "sizes.json",  # there for an owner that is started again
        {name: one.digest(parameters["profile"]) for name, one in found.items()},
    )

    def made_known(name: str, time: int) -> str:
        write_model(folder, repository, found[name], time)
        return name_of(found[name], time)

    residents = [_resident(one, sizes.of(one.name), meter) for one in found.values()]
    return Owner(
        Residency(residents, _limits(settings, meter)),
        _control(parameters, server, meter),
        meter,
        made_known,
        lambda books: sizes.keep(
            {one.name: Size(one.bytes, one.load_s) for one in books.models.values() if one.measured}
        ),
    )


def _control(parameters: Mapping[str, str], server: int, meter: Meter) -> TritonControl:
    key_file = Path(parameters["key_file"]) if parameters["key_file"] else None
    return TritonControl(parameters["address"], key_file, server, own_processes=meter.by_model)


def _limits(settings: Settings, meter: Meter) -> Limits:
    return Limits(
        budget_bytes=read_bytes(settings.memory),
        reserve_bytes=read_bytes(settings.memory_reserve),
        wait_s=settings.memory_wait_s,
        loads_at_once=PROCESS_LOADS if meter.by_model else 1,
    )


def _resident(one: Movable, known: Size | None, meter: Meter) -> Resident:
    """A model's books at the start: as measured by an earlier server, or estimated."""
    size = known or estimate(one.file_bytes, PROCESS_BYTES if meter.by_model else 0)
    return Resident(one.name, size.bytes, size.load_s, measured=known is not None)
