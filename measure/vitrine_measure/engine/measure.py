"""Seconds, bytes and the chip's own rate. On the CPU the same code runs, without a peak."""

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

WARM_STEPS = 2  # of a run before those that count: compiles, captures and chooses
MATMULS = 20
SIDES = {"cuda": 8192, "cpu": 256}
"""Of the square matrices that the chip's rate is measured on."""


@dataclass(frozen=True)
class Timed:
    """The runs of one variant: seconds of each, most bytes on the device (None on the CPU), the latents."""

    seconds: tuple[float, ...]
    peak_bytes: int | None
    latents: np.ndarray


def timed(variant: Variant, pair: Pair, jobs: Jobs, schedule: Schedule, runs: int) -> Timed:
    """Run a variant `runs` times after a warm-up. RuntimeError, torch.OutOfMemoryError: as it raises them."""
    release(pair.device)
    on_gpu = pair.device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(pair.device)  # that of captures
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
    """FLOP a second of large square matrix products, 2 FLOP a multiply-add: the median of `MATMULS`."""
    side = SIDES[device.type]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    clocked(lambda: a @ b, device)
    return 2 * side**3 / median(clocked(lambda: a @ b, device)[0] for _ in range(MATMULS))


def clocked(work: Callable[[], np.ndarray], device: torch.device) -> tuple[float, np.ndarray]:
    """Seconds until the device has done the work, and its result."""
    _settle(device)
    start = time.perf_counter()
    result = work()
    _settle(device)
    return time.perf_counter() - start, result


def release(device: torch.device) -> None:
    """Forget what earlier variants compiled and held."""
    torch._dynamo.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
