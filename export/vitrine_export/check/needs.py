"""The resources that an export and a server need, and those of the machine. Linux only. Imports no torch."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BYTES = {"fp32": 4, "fp16": 2}
PROGRAMS_BYTES = 2 * 2**30  # torch, the exporter and one stage's activations; or Triton's processes
EXPORT_SHARE = 1.2
"""Peak memory of an export per byte of loaded weights: 12.2 GiB for 10.4 GiB at released size in fp16."""

SERVED_SHARE = 1.3  # memory of onnxruntime per byte of weights, with its rearranged copies
PIXEL_BYTES = 4096  # activations of the decoder per pixel of the picture
DISK, EXPORT = "disk for the exported networks", "memory to export"
EXPORTING = (DISK, EXPORT)
"""The needs of an export. The others are needs of serving, on this machine or another."""

LATENT_PIXELS = 64  # pixels of a picture per latent pixel
MATRICES = 20
"""Attention matrices (latent pixels squared, float32) that a CPU server keeps in all models, as measured."""

UNETS = ("unet", "unet_encoder")


@dataclass(frozen=True)
class Need:
    """One needed resource in bytes; `available` is None if the machine lacks it."""

    what: str
    precision: str
    needed: int
    available: int | None

    @property
    def enough(self) -> bool:
        """Whether the machine has enough of it."""
        return self.available is not None and self.needed <= self.available


def needs(parameters: Mapping[str, int], pixels: int, out: Path) -> list[Need]:
    """Return the needs of each precision, from parameters by part, a picture's pixels and the repository."""
    memory, disk, gpu = free_memory(), free_disk(out), gpu_memory()
    together = sum(parameters.get(part, 0) for part in UNETS)
    all_of_them = sum(parameters.values())
    found = []
    for precision, size in BYTES.items():
        peak = max(together, *parameters.values(), 0) * size
        served = int(SERVED_SHARE * all_of_them * BYTES["fp32"]) + _kept_on_the_cpu(pixels) + PROGRAMS_BYTES
        found += [
            Need(DISK, precision, all_of_them * size, disk),
            Need(EXPORT, precision, int(EXPORT_SHARE * peak) + PROGRAMS_BYTES, memory),
            Need("memory to serve on the CPU", precision, served, memory),
            Need("GPU memory to serve", precision, all_of_them * size + pixels * PIXEL_BYTES, gpu),
        ]
    return found


def _kept_on_the_cpu(pixels: int) -> int:
    """Bytes of activations that onnxruntime keeps: 16 GB at 768×1024, measured with small networks."""
    return pixels * PIXEL_BYTES + MATRICES * BYTES["fp32"] * (pixels // LATENT_PIXELS) ** 2


def free_memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return the bytes that a new process may take within the container's limit; None if unknown."""
    try:
        lines = (proc / "meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    try:
        limit, used = ((cgroup / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return free if limit == "max" else min(free, max(0, int(limit) - int(used)))
    except (OSError, ValueError):
        return free


def free_disk(place: Path) -> int:
    """Return the free bytes of the disk of `place`, which need not exist yet."""
    there = next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def gpu_memory() -> int | None:
    """Return the memory of the first NVIDIA GPU in bytes, or None."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    words = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    first = asked.stdout.split("\n", 1)[0].strip()
    return int(first) * 2**20 if asked.returncode == 0 and first.isdigit() else None
