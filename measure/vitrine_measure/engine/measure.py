"""Measures seconds, bytes and the device's rate of matrix products. The CPU has no peak of bytes."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch
from vitrine_orchestrator.sampling.schedule import Schedule

from vitrine_measure.engine.subject import Jobs, Pair
from vitrine_measure.engine.variants import Variant, picture

WARM_STEPS = 2  # unmeasured steps, which compile, capture and choose kernels
MATMULS = 20
SIDES = {"cuda": 8192, "cpu": 256}
"""Sides of the square matrices that measure the device's rate."""


@dataclass(frozen=True)
class Timed:
    """The runs of one variant: seconds of each, peak bytes on the device (None on the CPU), latents."""

    seconds: tuple[float, ...]
    peak_bytes: int | None
    latents: np.ndarray


def timed(variant: Variant, pair: Pair, jobs: Jobs, schedule: Schedule, runs: int) -> Timed:
    """Run a variant `runs` times after a warm-up; passes on its RuntimeError and torch.OutOfMemoryError."""
    release(pair.device)
    on_gpu = pair.device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(pair.device)  # captures use the current device
        torch.cuda.reset_peak_memory_stats(pair.device)
    run = variant.run(pair, jobs, schedule)
    picture(run, jobs, schedule, min(WARM_STEPS, schedule.steps))
    seconds = []
    for _ in range(runs):
        took, latents = clocked(lambda: picture(run, jobs, schedule, schedule.steps), pair.device)
        seconds.append(took)
    peak = torch.cuda.max_memory_allocated(pair.device) if on_gpu else None
    return Timed(tuple(seconds), peak, latents)


def matmul_rate(dtype: torch.dtype, device: torch.device) -> float:
    """Return FLOP per second of large matrix products, 2 FLOP per multiply-add: the median of `MATMULS`."""
    side = SIDES[device.type]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    clocked(lambda: a @ b, device)
    return 2 * side**3 / median(clocked(lambda: a @ b, device)[0] for _ in range(MATMULS))


def clocked(work: Callable[[], np.ndarray], device: torch.device) -> tuple[float, np.ndarray]:
    """Return the seconds until the device has finished the work, and the result."""
    _settle(device)
    start = time.perf_counter()
    result = work()
    _settle(device)
    return time.perf_counter() - start, result


def release(device: torch.device) -> None:
    """Release what earlier variants compiled and allocated."""
    torch._dynamo.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
