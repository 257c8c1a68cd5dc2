"""What a load of each network costs: seconds, processor seconds, and memory, on an embedded server."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from vitrine_orchestrator.embedded.ports import ANY_PORTS
from vitrine_orchestrator.embedded.processes import stubs
from vitrine_orchestrator.embedded.repository import model_names
from vitrine_orchestrator.embedded.server import EmbeddedTriton
from vitrine_orchestrator.residency.meter import peak_bytes
from vitrine_orchestrator.stages import STAGES

from vitrine_measure.load.watch import MIB

TICKS = os.sysconf("SC_CLK_TCK")
USER, KERNEL = 11, 12  # fields of /proc/PID/stat, counted after the name
WITHIN_S = 30.0  # an unload


def rows(repository: Path, times: int) -> list[tuple[str, ...]]:
    """The table: a line for each model with weights, medians of `times` loads after a first one."""
    kept = [row.name for row in STAGES if row.holds_networks and row.name in model_names(repository)]
    table: list[tuple[str, ...]] = [("model", "load s", "processor s", "MiB")]
    with EmbeddedTriton(repository, models=kept, ports=ANY_PORTS) as server:
        for name in kept:
            taken = np.median([_load(server, name) for _ in range(times)], axis=0)
            table.append((name, f"{taken[0]:.2f}", f"{taken[1]:.2f}", f"{taken[2]:.0f}"))
    return table


def _load(server: EmbeddedTriton, name: str) -> tuple[float, float, float]:
    """Unload and load a model: seconds of the load, processor seconds of its process, and its most MiB."""
    before = stubs(server.pid)
    with server.client() as client:
        client.unload_model(name)
        give_up = time.monotonic() + WITHIN_S
        while client.is_model_ready(name) and time.monotonic() < give_up:
            time.sleep(0.02)
        start = time.perf_counter()
        client.load_model(name)
        seconds = time.perf_counter() - start
    now = stubs(server.pid).items() - before.items()  # the old process may not have ended yet
    processes = [pid for pid, model in now if model == name]
    return seconds, sum(map(_processor_s, processes)), sum(map(peak_bytes, processes)) / MIB


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[USER]) + int(fields[KERNEL])) / TICKS
