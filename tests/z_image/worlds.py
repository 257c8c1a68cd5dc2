"""Jobs of the tiny checkpoint: requests, and adapters in a registry."""

from __future__ import annotations

import numpy as np
import torch
from vitrine_export.lora.command import register
from vitrine_export.lora.file import adapter_of
from vitrine_orchestrator.batching.job import Job

WIDTH = 32  # of a caption
BASE = "b" * 64


def arrays(seed=0, size=(64, 64), tokens=5, steps=4, guidance=0.0, **more):
    """The arrays of one request to `denoise`; size is (width, height) in pixels."""
    random = np.random.default_rng(seed)
    found = {
        "caption": random.standard_normal((tokens, WIDTH), np.float32),
        "size": np.array(size, np.int32),
        "seed": np.array([seed], np.uint64),
        "steps": np.array([steps], np.int32),
        "guidance": np.array([guidance], np.float32),
    }
    if guidance:
        found["negative_caption"] = random.standard_normal((tokens + 30, WIDTH), np.float32)
    return found | more


def picture(seed=0, size=(64, 64), strength=0.5):
    """The arrays of a start from a picture's latents."""
    shape = 16, size[1] // 8, size[0] // 8
    latents = np.random.default_rng([seed, 9]).standard_normal(shape, np.float32)
    return {"start_latents": latents, "strength": np.array([strength], np.float32)}


def styled(*named):
    """The arrays that ask for adapters by (name, weight)."""
    return {
        "lora": np.array([name.encode() for name, _ in named], object),
        "lora_weight": np.array([weight for _, weight in named], np.float32),
    }


def job(program, step=0, **asked):
    """A job that has started and is before its step `step`."""
    made = Job(program.read(arrays(**asked)), "job", submitted=0.0)
    made.start(0.0)
    made.step = step
    return made


def write_lora(net, folder, rank, seed, family="z-image", base=BASE):
    """Put a random adapter of all linears into a registry, and return its card."""
    draw, state = torch.Generator().manual_seed(seed), {}
    for name, linear in net.sites.linears.items():
        state[f"transformer.{name}.lora_A.weight"] = 0.2 * torch.randn(
            rank, linear.in_features, generator=draw
        )
        state[f"transformer.{name}.lora_B.weight"] = 0.2 * torch.randn(
            linear.out_features, rank, generator=draw
        )
    adapter = adapter_of(state, net.sites, folder.name)
    return register(adapter, net.sites, folder, family=family, base=base, licence="CC0-1.0")


def predicted(program, jobs):
    """What the program predicts for these jobs in one call of their own."""
    program.join(jobs)
    found = program.predict(jobs)
    for one in jobs:
        program.leave(one)
    return found
