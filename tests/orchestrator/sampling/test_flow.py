"""Flow matching is compared with diffusers' own scheduler, and what cannot be computed is refused."""

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from vitrine_orchestrator.sampling.config import UnsupportedScheduler
from vitrine_orchestrator.sampling.flow import shift_of, skipped_steps
from vitrine_orchestrator.sampling.flow_config import FlowConfig, read_flow_config
from vitrine_orchestrator.sampling.meanings import MEANINGS
from vitrine_orchestrator.sampling.schedule import advance
from vitrine_orchestrator.sampling.schedules import Schedules

CLASS = {"_class_name": "FlowMatchEulerDiscreteScheduler"}
DYNAMIC = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
CONFIGS = {
    "no shift": {},
    "static shift": {"shift": 3.0},
    "shift by size": DYNAMIC,
    "linear shift by size": DYNAMIC | {"time_shift_type": "linear"},
    "stretched to a last sigma": DYNAMIC | {"max_shift": 0.9, "shift_terminal": 0.02},
}
TOKENS = 1024


def reference(config, steps, tokens=TOKENS):
    """diffusers' scheduler with the sigma grid that its pipelines pass."""
    scheduler = FlowMatchEulerDiscreteScheduler(**config)
    mu = shift_of(read_flow_config(config), tokens) if config.get("use_dynamic_shifting") else None
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / steps, steps), mu=mu)
    return scheduler


@pytest.mark.parametrize("steps", [2, 8, 28])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_states_and_timesteps_are_those_of_diffusers(config, steps):
    """Every step of a walk with random velocities lands where diffusers lands."""
    schedule = Schedules(CLASS | config).get("checkpoint", steps, tokens=TOKENS)
    scheduler = reference(config, steps)
    np.testing.assert_allclose(schedule.timesteps, scheduler.timesteps.numpy(), rtol=1e-5, atol=1e-3)
    draw = np.random.default_rng(steps)
    state = draw.standard_normal((1, 16, 4, 6)).astype(np.float32)
    theirs = torch.from_numpy(state)
    for step, timestep in enumerate(scheduler.timesteps):
        velocity = draw.standard_normal(state.shape).astype(np.float32)
        state, _ = advance(schedule.table[step : step + 1], state, velocity, 0.0)
        theirs = scheduler.step(torch.from_numpy(velocity), timestep, theirs).prev_sample
        np.testing.assert_allclose(state, theirs.numpy(), atol=2e-5)


def test_the_sigmas_of_a_static_shift_of_three_are_the_published_ones():
    """Eight steps with a shift of 3 have the sigmas 1, .9545, .9, .8333, .75, .6429, .5, .3."""
    timesteps = Schedules(CLASS | {"shift": 3.0}).get("flow", 8).timesteps
    expected = [1000, 954.5, 900, 833.3, 750, 642.9, 500, 300]
    np.testing.assert_allclose(timesteps, expected, atol=0.06)


def test_mu_follows_the_size():
    """Each of the config's two sizes gets its shift, and a size between them one in between."""
    config = FlowConfig(use_dynamic_shifting=True)
    assert shift_of(config, 256) == 0.5
    assert shift_of(config, 4096) == pytest.approx(1.15)
    assert shift_of(config, 2176) == pytest.approx(0.825)


@pytest.mark.parametrize(
    ("strength", "steps", "start"),
    [(0.01, 1, 0.3), (0.25, 2, 0.5), (0.3, 2, 0.5), (0.6, 4, 0.75), (0.9, 7, 0.9545), (1, 8, 1)],
)
def test_strength_leaves_the_first_steps_out(strength, steps, start):
    """The job starts from σ · noise + (1 − σ) · clean, with the whole part of 8 · strength steps to go."""
    schedule = Schedules(CLASS | {"shift": 3.0}).get("checkpoint", 8, strength=strength)
    assert schedule.steps == steps
    assert schedule.initial_scale == pytest.approx(start, abs=1e-4)
    assert schedule.initial_clean == pytest.approx(1 - start, abs=1e-4)


@pytest.mark.parametrize("strength", [0.3, 0.6, 0.9])
def test_a_strength_keeps_at_least_its_rest(strength):
    """0.3 leaves out 70 % of the steps or more, 0.9 10 %, also where it came as float32; one step is run."""
    for steps in range(1, 101):
        for given in (strength, float(np.float32(strength))):
            run = steps - skipped_steps(steps, given)
            assert run == max(1, steps * round(strength * 10) // 10)
            assert run == 1 or 1 - run / steps >= 1 - strength - 1e-9


def test_the_clean_estimate_of_a_true_velocity_is_the_clean_state():
    """A network that answers ε − x0 exactly has its x0 read back in every step."""
    schedule = Schedules(CLASS | {"shift": 3.0}).get("checkpoint", 4)
    draw = np.random.default_rng(0)
    clean, noise = draw.standard_normal((2, 1, 3, 8, 8))
    state = noise
    for step in range(4):
        state, seen = advance(schedule.table[step : step + 1], state, noise - clean, 0.0)
        np.testing.assert_allclose(seen, clean, atol=1e-12)
    np.testing.assert_allclose(state, clean, atol=1e-12)


@pytest.mark.parametrize("kind", MEANINGS)
def test_every_meaning_gives_back_both_parts(kind):
    """x0 and ε follow from the noisy state and the output that stands for them."""
    draw = np.random.default_rng(1)
    clean, noise = draw.standard_normal((2, 5))
    signal, sigma = np.array([0.9] * 5), np.array([0.4] * 5)
    length = np.hypot(signal, sigma)
    output = {
        "epsilon": noise,
        "sample": clean,
        "v_prediction": (signal * noise - sigma * clean) / length,
        "flow": noise - clean,
    }[kind]
    state = signal * clean + sigma * noise
    for part, expected in (("clean", clean), ("noise", noise)):
        of_state, of_output = getattr(MEANINGS[kind], part)(signal, sigma)
        np.testing.assert_allclose(of_state * state + of_output * output, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("use_karras_sigmas", True),
        ("use_exponential_sigmas", True),
        ("use_beta_sigmas", True),
        ("invert_sigmas", True),
        ("stochastic_sampling", True),
        ("time_shift_type", "cubic"),
        ("shift", 0.0),
        ("shift", "3"),
        ("shift", float("nan")),
        ("shift", float("inf")),
        ("num_train_timesteps", 0),
        ("shift_terminal", 1.0),
        ("new_setting", 1),
    ],
)
def test_what_is_not_computed_is_refused_by_name(setting, value):
    """The error names the setting."""
    with pytest.raises(UnsupportedScheduler, match=setting):
        Schedules(CLASS | {setting: value})


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"steps": 0}, "steps must be 1 to 1000"),
        ({"steps": 1001}, "steps must be 1 to 1000"),
        ({"steps": 4}, "tokens"),
        ({"steps": 4, "tokens": 64, "strength": 0.0}, "strength must be more than 0"),
        ({"steps": 4, "tokens": 64, "strength": 1.5}, "strength must be more than 0"),
        ({"name": "ddim", "steps": 4, "tokens": 64}, "scheduler must be one of"),
    ],
)
def test_a_job_that_the_schedule_cannot_take_is_refused(asked, words):
    """The error names the range, the missing size or the other kind of scheduler."""
    schedules = Schedules(CLASS | DYNAMIC)
    with pytest.raises(UnsupportedScheduler, match=words):
        schedules.get(**{"name": "checkpoint"} | asked)


def test_a_diffusion_checkpoint_takes_no_flow():
    """A diffusion checkpoint predicts noise, so flow schedulers are refused."""
    with pytest.raises(UnsupportedScheduler, match="scheduler must be one of"):
        Schedules({"_class_name": "DDPMScheduler"}).get("flow", 4)


@pytest.mark.parametrize(
    "config",
    [
        {"shift": 1e-30},
        {"shift": 1e30},
        DYNAMIC | {"max_shift": 1000.0},
        DYNAMIC | {"max_shift": 1e6},
        DYNAMIC | {"time_shift_type": "linear", "base_shift": -1.0, "max_shift": 0.0},
    ],
    ids=str,
)
def test_noise_that_does_not_fall_is_refused(config):
    """A shift that overflows, or turns the curve around, is an error and no picture of NaN."""
    with pytest.raises(UnsupportedScheduler, match="the noise must fall from 1 to 0 in 8 steps"):
        Schedules(CLASS | config).get("checkpoint", 8, 4096)
