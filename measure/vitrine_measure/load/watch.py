"""Reads a local server's memory, threads, files, shared memory, requests in flight, and metrics."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vitrine_orchestrator.embedded.processes import stubs
from vitrine_orchestrator.shared_memory import FOLDER as SHARED_MEMORY

KIB, MIB = 2**10, 2**20


class ServerProcess(Protocol):
    """The part of EmbeddedTriton that is read here."""

    metrics: str
    shared_prefix: str

    @property
    def pid(self) -> int:
        """The pid of the server."""


@dataclass(frozen=True)
class Reading:
    """Sums over all processes of a server."""

    memory_bytes: int  # proportional: memory shared between them counts once
    threads: int
    files: int  # open descriptors
    shared_blocks: int  # this server's blocks in /dev/shm
    requests: int  # requests in flight in our models, and jobs that wait or run in the denoiser


@dataclass(frozen=True)
class Allowance:
    """The allowed differences between two readings."""

    memory_share: float = 0.05
    threads: int = 0
    files: int = 0


def read(server: ServerProcess) -> Reading:
    """Read the server now."""
    held = [one for pid in (server.pid, *stubs(server.pid)) for one in _held(Path(f"/proc/{pid}"))]
    return Reading(
        memory_bytes=sum(memory for memory, _, _ in held),
        threads=sum(threads for _, threads, _ in held),
        files=sum(files for _, _, files in held),
        shared_blocks=len(list(SHARED_MEMORY.glob(f"{server.shared_prefix}*"))),
        requests=in_flight(scrape(server.metrics)),
    )


def leaks(before: Reading, after: Reading, allowed: Allowance) -> list[str]:
    """Return a sentence for each resource that has grown by more than allowed."""
    grown = after.memory_bytes / before.memory_bytes - 1
    found = []
    if after.requests:
        found.append(f"{after.requests} requests are still held")
    if after.threads > before.threads + allowed.threads:
        found.append(f"{before.threads} threads became {after.threads}")
    if after.files > before.files + allowed.files:
        found.append(f"{before.files} open files became {after.files}")
    if after.shared_blocks > before.shared_blocks:
        found.append(f"{before.shared_blocks} shared-memory blocks became {after.shared_blocks}")
    if grown > allowed.memory_share:
        found.append(f"memory grew by {grown:.1%}, allowed are {allowed.memory_share:.0%}")
    return found


def scrape(address: str) -> dict[str, float]:
    """Read the metrics at host:port: name with labels → value."""
    # No proxy, because the server is on this machine.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"http://{address}/metrics", timeout=30) as response:
        lines = response.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[:1] != "#"}


def total(metrics: Mapping[str, float], name: str) -> float:
    """Return the sum of a metric over its labels."""
    return sum(value for key, value in metrics.items() if key.partition("{")[0] == name)


def in_flight(metrics: Mapping[str, float]) -> int:
    """Return the number of requests in flight in our models."""
    held = ("vitrine_in_flight", "vitrine_denoise_waiting", "vitrine_denoise_running")
    return int(sum(total(metrics, name) for name in held))


def _held(folder: Path) -> Iterator[tuple[int, int, int]]:
    """Yield memory in bytes, threads and open files of a process; nothing if it has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = (folder / "smaps_rollup").read_text().splitlines()
        memory = next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * KIB
        yield memory, len(list((folder / "task").iterdir())), len(list((folder / "fd").iterdir()))
