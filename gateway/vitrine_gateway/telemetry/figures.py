"""Figures of the machine that draws: CPU, memory, GPUs.

They are Triton's own, where the setting `triton_metrics` says where its metrics are; else CPU and memory of
the gateway's machine.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import Any

import httpx2
import psutil
import structlog
from prometheus_client.parser import text_string_to_metric_families

FRESH_S = 2.0
TIMEOUT_S = 1.0
GIB = 2**30
GPU = {  # of Triton's gauge: its name here, and what it is divided by
    "nv_gpu_utilization": ("utilization_percent", 0.01),
    "nv_gpu_memory_used_bytes": ("vram_used_gib", GIB),
    "nv_gpu_memory_total_bytes": ("vram_total_gib", GIB),
}
MACHINE = {
    "nv_cpu_utilization": ("cpu_percent", 0.01),
    "nv_cpu_memory_used_bytes": ("ram_used_gib", GIB),
    "nv_cpu_memory_total_bytes": ("ram_total_gib", GIB),
}

log = structlog.get_logger("vitrine_gateway.figures")


class Figures:
    """The latest figures. Who asks after two seconds starts another reading and does not wait for it."""

    def __init__(self, triton_metrics: str) -> None:
        self._address = triton_metrics
        self._latest: dict[str, Any] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def latest(self) -> dict[str, Any]:
        """Return cpu_percent, ram_used_gib, ram_total_gib and `gpus`; the first call waits for them."""
        stale = time.monotonic() - self._read_at > FRESH_S
        if stale and (self._reading is None or self._reading.done()):
            self._reading = asyncio.create_task(self._read())
        if not self._latest and self._reading is not None:
            await asyncio.shield(self._reading)
        return self._latest

    async def close(self) -> None:
        """Give up a reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        self._latest = await self._of_triton() or _own()
        self._read_at = time.monotonic()

    async def _of_triton(self) -> dict[str, Any] | None:
        if not self._address:
            return None
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http:
                answer = await http.get(self._address)
                answer.raise_for_status()
            return read_figures(answer.text)
        except (httpx2.HTTPError, ValueError) as error:
            log.warning("Triton's metrics cannot be read", error=type(error).__name__)
            return None


def read_figures(text: str) -> dict[str, Any] | None:
    """Return the figures in Triton's metrics; None if they have none. Raises ValueError for other text."""
    machine: dict[str, float] = {}
    gpus: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if named := MACHINE.get(sample.name):
                machine[named[0]] = round(sample.value / named[1], 3)
            if named := GPU.get(sample.name):
                gpus[sample.labels.get("gpu_uuid", "")][named[0]] = round(sample.value / named[1], 3)
    if not machine and not gpus:
        return None
    return {**(machine or _own()), "gpus": [{"id": name, **one} for name, one in sorted(gpus.items())]}


def _own() -> dict[str, Any]:
    memory = psutil.virtual_memory()
    return {
        "cpu_percent": psutil.cpu_percent(),
        "ram_used_gib": round((memory.total - memory.available) / GIB, 3),
        "ram_total_gib": round(memory.total / GIB, 3),
        "gpus": [],
    }
