"""The serving side's denoiser (graphs, engine, batcher, schedulers) equals the torch pipeline."""

import diffusers
import numpy as np
import pytest
import torch
from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.nets.pipeline import guided
from vitrine_export.nets.step_forms import Job as TorchJob
from vitrine_export.nets.step_forms import plain
from vitrine_orchestrator.batching.batcher import Batcher
from vitrine_orchestrator.batching.job import Job
from vitrine_orchestrator.batching.metrics import Counters
from vitrine_orchestrator.engine.onnx_device import cpu
from vitrine_orchestrator.sampling.noise import initial_noise, step_noise
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.try_on.denoise_request import JobShapes, read_request
from vitrine_orchestrator.try_on.engine.onnx_engine import OnnxEngine
from vitrine_orchestrator.try_on.program import TryOnProgram

pytestmark = pytest.mark.timeout(900)  # four graphs are exported first

CONFIG = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "rescale_betas_zero_snr": True,
}
THEIRS = {"ddpm": diffusers.DDPMScheduler, "ddim": diffusers.DDIMScheduler}
SCHEDULES = Schedules(CONFIG | {"_class_name": "DDPMScheduler"})
SHAPES = JobShapes(context_width=16, pooled_width=8)
SIZE = (16, 12)
ASKED = (  # jobs that run together: scheduler, steps, guidance, with the smaller graph at hand
    ("ddpm", 4, 2.0),
    ("ddim", 3, 7.5),
    ("ddpm", 5, 1.0),
    ("ddim", 4, 0.0),
)


@pytest.fixture(scope="module")
def nets(tiny_checkpoint):
    checkpoint = open_checkpoint(tiny_checkpoint)
    return checkpoint.tryon().eval(), checkpoint.garment().eval()


@pytest.fixture(scope="module")
def engine(denoise_onnx):
    """ONNX Runtime sessions of the graphs of these nets."""
    return OnnxEngine(denoise_onnx["unet"][1].parent, cpu(1))


def request(seed, scheduler, steps, guidance):
    random = np.random.default_rng(seed)
    arrays = {n: random.standard_normal(s).astype(np.float32) for n, s in SHAPES.of(SIZE).items()}
    arrays |= {
        "seed": np.array([seed], np.uint64),
        "steps": np.array([steps], np.int32),
        "guidance": np.array([guidance], np.float32),
        "scheduler": np.array([scheduler.encode()], object),
    }
    return read_request(arrays, SHAPES, SCHEDULES)


def served(engine, requests):
    """The jobs after running together, the last of which joined one step late."""
    batcher = Batcher(TryOnProgram(engine, SHAPES, SCHEDULES), Counters(), lambda: 0.0)
    jobs = [Job(one, str(index), 0.0) for index, one in enumerate(requests)]
    batcher.joining = jobs[:-1]
    batcher.step()
    batcher.joining = jobs[-1:]
    while len(batcher):
        batcher.step()
    return jobs


@torch.no_grad()
def in_torch(nets, request):
    """The same request by the released computation, one step after the other, with the same noise."""
    tensor, inputs = torch.from_numpy, request.inputs
    halves = slice(0, 2) if request.guidance > 1 else slice(1, 2)
    fixed = [inputs[name] for name in ("mask_latent", "masked_latents", "pose_latents")]
    job = TorchJob(
        fixed=tensor(np.concatenate(fixed))[None],
        garment=tensor(request.garment_latents)[None],
        garment_prompt=tensor(request.garment_prompt)[None],
        text=tensor(inputs["prompt_embeds"])[halves, None],
        image_tokens=tensor(inputs["image_tokens"])[halves, None],
        pooled=tensor(inputs["pooled_prompt_embeds"])[halves, None],
        time_ids=tensor(inputs["time_ids"])[None],
    )
    predict, shape = plain(*nets, job), (1, 4, *SIZE)
    scheduler = THEIRS[request.scheduler].from_config(CONFIG)
    scheduler.set_timesteps(request.schedule.steps)
    latents = tensor(initial_noise(request.seed, shape))
    for step, timestep in enumerate(scheduler.timesteps):
        prediction = guided(predict(latents, timestep.expand(1)), job.halves, request.guidance)
        latents = moved(
            scheduler, prediction, timestep, latents, tensor(step_noise(request.seed, step, shape))
        )
    return latents[0].numpy()


def moved(scheduler, prediction, timestep, latents, noise):
    """One step of diffusers with that noise instead of its own."""
    if isinstance(scheduler, diffusers.DDIMScheduler):
        return scheduler.step(prediction, timestep, latents).prev_sample
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diffusers.schedulers.scheduling_ddpm.randn_tensor", lambda *_, **__: noise)
        return scheduler.step(prediction, timestep, latents).prev_sample


def test_jobs_that_run_together_equal_the_torch_pipeline(engine, nets):
    """Jobs with other seeds, garments, schedulers, steps and guidance, one joining late, all equal it."""
    requests = [request(seed, *asked) for seed, asked in enumerate(ASKED)]
    for job in served(engine, requests):
        assert job.error is None
        wanted = in_torch(nets, job.request)
        assert np.abs(job.latents - wanted).max() <= 1e-4 * max(1, np.abs(wanted).max())


def test_a_job_alone_equals_itself_among_others(engine):
    """A job's result changes by at most 1e-5 of its size with other jobs in its calls."""
    requests = [request(seed, "ddpm", 4, 2.0) for seed in range(4)]
    together = served(engine, requests)
    alone = served(engine, [*requests[:1], request(9, "ddim", 1, 2.0)])[0]
    assert np.abs(alone.latents - together[0].latents).max() <= 1e-5 * np.abs(alone.latents).max()
