"""FLUX's program over the exported graph: mixed rows in one call, embedded guidance, schedules, starts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from counted_rows import CountedRows
from diffusers import FlowMatchEulerDiscreteScheduler
from tiny_flux import DYNAMIC, POOLED, STATIC, WIDTH
from vitrine.errors import BadRequest
from vitrine_export.checkpoint.ads import open_ads
from vitrine_export.nets.flux import rows_of, velocities
from vitrine_orchestrator.drawing.engine import NetworkRow, OnnxEngine
from vitrine_orchestrator.drawing.job_request import JobRules
from vitrine_orchestrator.drawing.program import PictureProgram
from vitrine_orchestrator.engine.onnx_device import cpu
from vitrine_orchestrator.flux.facts import TRANSFORMER, FluxFacts, read_facts
from vitrine_orchestrator.flux.form import FluxForm
from vitrine_orchestrator.loras.registry import Registry
from vitrine_orchestrator.manifest import Manifest, read_manifest
from vitrine_orchestrator.sampling.noise import initial_noise
from vitrine_orchestrator.sampling.schedules import Schedules
from vitrine_orchestrator.stages.flux import FAMILY
from worlds import arrays, job, picture, predicted, styled, write_lora

BASE = "c" * 64
NAME = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
STATIC_CONFIG = {**NAME, **STATIC}
MIXED = (  # of a batch: sizes, text lengths, guidance, steps and adapters that differ
    {"seed": 1, "size": (64, 64), "tokens": 40, "guidance": 3.5, "steps": 4, "step": 0},
    {"seed": 2, "size": (96, 64), "tokens": 64, "guidance": 1.0, "steps": 8, "step": 6},
    {"seed": 3, "size": (64, 112), "tokens": 33, "guidance": 0.0, "steps": 3, "step": 2},
    {"seed": 4, "size": (64, 64), "tokens": 40, "guidance": 7.0, "steps": 8, **picture(4, strength=0.5)},
)


@pytest.fixture(scope="module")
def flux_net(flux_checkpoint):
    """The transformer in torch."""
    return open_ads(flux_checkpoint).load("transformer")


@pytest.fixture(scope="module")
def flux_facts(denoise_folder) -> FluxFacts:
    """The facts of the export."""
    return read_facts(read_manifest(denoise_folder, FAMILY))


@pytest.fixture(scope="module")
def engine(denoise_folder, flux_facts) -> OnnxEngine:
    """The exported transformer."""
    return OnnxEngine(denoise_folder / TRANSFORMER, FluxForm(flux_facts), cpu(1))


@pytest.fixture
def rows(engine, flux_facts, monkeypatch) -> CountedRows:
    """What notes the rows of each call of the transformer."""
    rows = CountedRows(FluxForm(flux_facts))
    monkeypatch.setattr(engine, "_form", rows)
    return rows


@pytest.fixture
def program(engine, flux_facts, flux_net, tmp_path) -> PictureProgram:
    """A program without jobs, with one adapter."""
    write_lora(flux_net, tmp_path / "night", 4, 1, family=FAMILY, base=BASE)
    rules = JobRules(FAMILY, Schedules(flux_facts.scheduler), Registry(tmp_path, FAMILY, BASE, 2**30))
    return PictureProgram(engine, FluxForm(flux_facts), flux_facts, rules)


def asked(seed=0, tokens=40, guidance=3.5, **more):
    """What `job` takes, with the features of a prompt by both encoders."""
    draw = np.random.default_rng([seed, 5])
    features = {
        "caption": draw.standard_normal((tokens, WIDTH), np.float32),
        "pooled": draw.standard_normal(POOLED, np.float32),
    }
    return {"seed": seed, "guidance": guidance, **features, **more}


def test_rows_of_different_sigmas_and_guidance_in_one_call_equal_single_calls(program, rows):
    """Sizes, text lengths and starts differ too, and one row has an adapter."""
    many = [*MIXED, {**MIXED[1], **styled(("night", 0.8))}]
    made = [asked(**one) for one in many]
    jobs = [job(program, **one) for one in made]
    together = predicted(program, jobs)
    assert rows.calls == [5]
    assert len({one.timestep for one in jobs}) >= 4
    for row, one in zip(together, made, strict=True):
        (alone,) = predicted(program, [job(program, **one)])
        assert np.abs(row - alone).max() < 1e-5
    assert np.abs(together[1] - together[4]).max() > 0.05


@torch.no_grad()
def test_each_row_is_what_torch_computes(program, flux_net):
    """The network in torch is the one that is compared with the released code."""
    jobs = [job(program, **asked(**one)) for one in MIXED]
    for row, one in zip(predicted(program, jobs), jobs, strict=True):
        latents, request = [torch.from_numpy(one.latents)], one.request
        rows = rows_of(latents, [torch.from_numpy(request.caption)], torch.from_numpy(request.pooled)[None])
        time = torch.tensor([one.timestep / 1000])
        theirs = velocities(flux_net(*rows.tensors, time, torch.tensor([request.guidance])), latents)[0]
        # The export's own bound: a time that is rounded otherwise moves the sines of 1000 times it.
        assert np.abs(row - theirs.numpy()).max() < 1e-3 * max(1.0, np.abs(row).max())


def test_guidance_is_an_input_of_its_own_row(program):
    """Another guidance gives another velocity, and costs no second row."""
    rows = program.rows
    first, second = predicted(program, [job(program, **asked(guidance=value)) for value in (1.0, 3.5)])
    assert program.rows == rows + 2
    assert np.abs(first - second).max() > 0.01


@pytest.mark.parametrize(("config", "steps"), [(DYNAMIC, 5), (STATIC, 4)], ids=["dev", "schnell"])
@pytest.mark.parametrize("side", [64, 1024])
def test_schedules_are_those_of_the_released_scheduler(config, steps, side):
    """Dev's depend on the picture's size, schnell's do not."""
    theirs = FlowMatchEulerDiscreteScheduler(**config)
    tokens = (side // 16) ** 2
    mu = 0.5 + (1.15 - 0.5) * (tokens - 256) / (4096 - 256)
    theirs.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps), mu=mu)
    ours = Schedules({**NAME, **config}).get("checkpoint", steps, tokens)
    assert np.abs(ours.timesteps / 1000 - theirs.sigmas[:-1].numpy()).max() < 1e-6
    if config is STATIC:
        assert np.allclose(ours.timesteps / 1000, [1, 0.75, 0.5, 0.25])


def test_a_start_from_a_picture_mixes_it_with_noise_by_the_sigma_of_its_size(program):
    """Strength 0.5 of 4 steps runs the last 2."""
    given = picture(7, strength=0.5)
    made = job(program, **asked(seed=7, steps=4, **given))
    sigma = made.timestep / 1000
    mu = 0.5 + (1.15 - 0.5) * (16 - 256) / (4096 - 256)
    assert made.steps == 2
    assert sigma == pytest.approx(np.exp(mu) / (np.exp(mu) + 1), abs=1e-6)
    wanted = sigma * initial_noise(7, (16, 8, 8)) + (1 - sigma) * given["start_latents"]
    assert np.abs(made.latents - wanted).max() < 1e-6


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"tokens": 513}, "with 1 to 512 tokens"),
        ({"pooled": np.zeros(POOLED + 1, np.float32)}, f"pooled must have shape ({POOLED},)"),
        ({"pooled": np.full(POOLED, np.nan, np.float32)}, "pooled must be finite"),
        ({"size": (64, 16400)}, "height must be a multiple of 16 up to 16384, got 16400"),
        ({"size": (4096, 4096)}, "width x height must be at most"),
        ({"guidance": float("nan")}, "guidance must be 0 to 20"),
    ],
)
def test_a_bad_job_is_refused_before_it_waits(program, more, said):
    """The error names the input, the rule and the value."""
    with pytest.raises(BadRequest) as refused:
        program.read(arrays(**asked(**more)))
    assert said in str(refused.value)


def test_without_embedded_guidance_there_is_no_such_input(flux_facts):
    """Schnell's graph takes no guidance, so a job with guidance is refused."""
    facts = {**vars(flux_facts), "embedded_guidance": False, "scheduler": STATIC_CONFIG}
    form = FluxForm(read_facts(Manifest(FAMILY, facts, BASE, "test", {})))
    rules = JobRules(FAMILY, Schedules(STATIC_CONFIG), Registry(None, FAMILY, BASE, 0))
    program = PictureProgram(None, form, form.facts, rules)
    made = job(program, **asked(guidance=0.0))
    (fixed,) = form.rows(made.request)
    assert "guidance" not in form.feeds([NetworkRow(fixed, made.latents, made.timestep, 0.0, 0)])
    with pytest.raises(BadRequest, match=r"guidance must be 0: .*, got 3\.5"):
        program.read(arrays(**asked(guidance=3.5)))
