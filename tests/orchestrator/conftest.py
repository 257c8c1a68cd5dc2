"""Jobs for the fake engine, and the result that each must get."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.sampling.noise import initial_noise, step_noise
from vitrine_orchestrator.sampling.schedule import INPUT_SCALE, advance
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.try_on.denoise_request import JobShapes, read_request
from vitrine_orchestrator.try_on.engine.fake import conditioning_mark, garment_mark, prediction
from vitrine_orchestrator.try_on.program import TryOnProgram

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/, for what several folders use
sys.path.insert(0, str(Path(__file__).parent))

CONFIG = {
    "_class_name": "DDPMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "rescale_betas_zero_snr": True,
}
SCHEDULES = Schedules(CONFIG)
SHAPES = JobShapes(context_width=6, pooled_width=5)
SIZE = (8, 4)


@pytest.fixture(scope="session")
def jobs():
    """Makes requests and jobs; `expected` is the right result of one."""
    return SimpleNamespace(
        arrays=job_arrays,
        request=request,
        job=job,
        expected=expected,
        program=program,
        shapes=SHAPES,
        schedules=SCHEDULES,
        config=CONFIG,
    )


@pytest.fixture
def clock():
    """A clock that the test moves."""
    return Clock()


def job_arrays(seed=0, steps=4, garment=0, size=SIZE, guidance=2.0, scheduler=None, name=None, key=True):
    """The arrays of one request; the person depends on the seed, the garment's on `garment`."""
    random = np.random.default_rng(seed)
    its = np.random.default_rng([garment, 7])
    arrays = {
        array: (its if array.startswith("garment") else random).standard_normal(shape).astype(np.float32)
        for array, shape in SHAPES.of(size).items()
    }
    arrays |= {
        "seed": np.array([seed], np.uint64),
        "steps": np.array([steps], np.int32),
        "guidance": np.array([guidance], np.float32),
    }
    named = {"scheduler": scheduler, "job": name, "garment_key": f"garment {garment}" if key else None}
    return arrays | {k: np.array([v.encode()], object) for k, v in named.items() if v is not None}


def request(**asked):
    """A checked request."""
    return read_request(job_arrays(**asked), SHAPES, SCHEDULES)


def job(now=0.0, deadline=float("inf"), **asked):
    """A job that has not started."""
    return Job(request(**asked), asked.get("name") or "job", submitted=now, deadline=deadline)


def program(engine, **kept):
    """The program of the try-on over a fake engine."""
    return TryOnProgram(engine, SHAPES, SCHEDULES, **kept)


def expected(request):
    """The latents of a request, by a plain loop over its steps with the fake engine's functions."""
    schedule, shape = request.schedule, (1, *request.garment_latents.shape)
    mark = conditioning_mark({name: array[None] for name, array in request.inputs.items()})
    guidance = np.array([request.guidance], np.float32)
    latents = initial_noise(request.seed, shape) * np.float32(schedule.initial_scale)
    for step in range(schedule.steps):
        row, timestep = schedule.table[step : step + 1], schedule.timesteps[step : step + 1]
        garment = garment_mark(request.garment_latents[None], timestep, request.garment_prompt[None])
        seen = (latents * row[0, INPUT_SCALE]).astype(np.float32)
        output = prediction(seen, timestep, guidance, mark, garment)
        latents, _ = advance(row, latents, output, step_noise(request.seed, step, shape))
    return latents[0]


class Clock:
    """A clock that advances when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now
