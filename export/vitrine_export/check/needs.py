"""What exporting and serving a checkpoint take, and what the machine has. Linux. No torch."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BYTES = {"fp32": 4, "fp16": 2}
PROGRAMS_BYTES = 2 * 2**30  # torch, the exporter, one stage's activations; or Triton's processes
EXPORT_SHARE = 1.2
"""Peak of an export over the weights loaded together: 12.2 GiB for 10.4 GiB at the released size in fp16."""

SERVED_SHARE = 1.3  # weights in onnxruntime with their rearranged copies
PIXEL_BYTES = 4096  # a decoder's activations at a time, for each pixel of the picture
DISK, EXPORT = "disk for the exported networks", "memory to export"
EXPORTING = (DISK, EXPORT)
"""What an export needs; the rest is for serving, on this machine or another."""

LATENT_PIXELS = 64  # pixels of a picture for one place of the latents
MATRICES = 20
"""Attention matrices (places by places, float32) that a CPU server was seen to keep, in all models."""

UNETS = ("unet", "unet_encoder")


@dataclass(frozen=True)
class Need:
    """One thing that is needed, in bytes; `available` is None where the machine has none of it."""

    what: str
    precision: str
    needed: int
    available: int | None

    @property
    def enough(self) -> bool:
        """Whether the machine has it."""
        return self.available is not None and self.needed <= self.available


def needs(parameters: Mapping[str, int], pixels: int, out: Path) -> list[Need]:
    """What each precision takes; `parameters` by part, `pixels` of a picture, `out` the repository."""
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
    """What onnxruntime keeps of a try-on's activations: 16 GB at 768×1024, measured with small networks."""
    return pixels * PIXEL_BYTES + MATRICES * BYTES["fp32"] * (pixels // LATENT_PIXELS) ** 2


def free_memory(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Bytes that a new process may take, within a container's limit; None where the system does not say."""
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
    """Bytes free where `place` lies or will lie."""
    there = next(path for path in (place.absolute(), *place.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def gpu_memory() -> int | None:
    """Bytes of the first NVIDIA GPU; None where there is none."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    words = [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    first = asked.stdout.split("\n", 1)[0].strip()
    return int(first) * 2**20 if asked.returncode == 0 and first.isdigit() else None
