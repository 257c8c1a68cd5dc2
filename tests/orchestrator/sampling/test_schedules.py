"""The schedulers' tables give what diffusers' schedulers give."""

import diffusers
import numpy as np
import pytest
import torch
from vitrine_orchestrator.sampling.config import UnsupportedScheduler, checkpoint_kind, read_config
from vitrine_orchestrator.sampling.flow_config import read_flow_config
from vitrine_orchestrator.sampling.schedule import INPUT_SCALE, NEXT_NOISE, advance
from vitrine_orchestrator.sampling.schedules import Schedules, make_schedule

# diffusers' own np.array(tensor) in EulerDiscreteScheduler.set_timesteps, under numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

THEIRS = {
    "ddpm": diffusers.DDPMScheduler,
    "ddim": diffusers.DDIMScheduler,
    "euler": diffusers.EulerDiscreteScheduler,
}
RELEASED = {
    "_class_name": "DDPMScheduler",
    "_diffusers_version": "0.25.0",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "clip_sample": False,
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "interpolation_type": "linear",
    "sample_max_value": 1.0,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "use_karras_sigmas": False,
    "rescale_betas_zero_snr": True,
}
VARIANTS = {
    "as released": {},
    "without zero SNR": {"rescale_betas_zero_snr": False},
    "linear betas": {"beta_schedule": "linear", "rescale_betas_zero_snr": False},
    "trained betas": {
        "trained_betas": [0.001 + 0.00001 * t for t in range(1000)],
        "rescale_betas_zero_snr": False,
    },
    "v prediction, trailing": {"prediction_type": "v_prediction", "timestep_spacing": "trailing"},
    "sample prediction, trailing": {"prediction_type": "sample", "timestep_spacing": "trailing"},
    "v prediction, linspace": {"prediction_type": "v_prediction", "timestep_spacing": "linspace"},
    "linspace": {"timestep_spacing": "linspace", "rescale_betas_zero_snr": False},
    "trailing": {"timestep_spacing": "trailing", "rescale_betas_zero_snr": False},
    "clipped": {"clip_sample": True, "clip_sample_range": 0.7},
    "clipped v prediction": {"clip_sample": True, "prediction_type": "v_prediction"},
    "clipped sample prediction": {"clip_sample": True, "prediction_type": "sample"},
    "alpha to one": {"set_alpha_to_one": True, "steps_offset": 0},
    "large variance": {"variance_type": "fixed_large"},
    "log variance": {"variance_type": "fixed_small_log"},
    "last sigma kept": {"final_sigmas_type": "sigma_min"},
}

# diffusers keeps ᾱ in float32: its 1 − ᾱ is off by 3e-5 at timesteps 0 and 1, which DDIM divides by (and
# clipping keeps that from cancelling out) and Euler's σ is made of; with zero SNR its ᾱ(998) is off by 4e-5.
LOOSE = {
    ("ddim", "clipped sample prediction"): 1e-4,
    ("euler", "linspace"): 1e-4,
    ("euler", "v prediction, trailing"): 1e-4,
    ("euler", "sample prediction, trailing"): 1e-4,
    ("euler", "v prediction, linspace"): 1e-4,
}


def their_run(kind, config, steps, noise, outputs):
    """diffusers' scheduler, what its network sees in each step, its latents before each step and last."""
    theirs = THEIRS[kind].from_config(config)
    theirs.set_timesteps(steps)
    latents = torch.from_numpy(noise[0]) * theirs.init_noise_sigma
    seen, before = [], [latents.numpy()]
    for index, timestep in enumerate(theirs.timesteps):
        seen.append(theirs.scale_model_input(latents, timestep).numpy())
        generator = Given(noise[index + 1])
        kwargs = {"generator": generator} if kind == "ddpm" else {}
        with generator:
            latents = theirs.step(torch.from_numpy(outputs[index]), timestep, latents, **kwargs).prev_sample
        before.append(latents.numpy())
    return theirs, seen, before


class Given:
    """Replaces diffusers' drawing of noise, so that both sides use the same."""

    def __init__(self, noise):
        self.noise = torch.from_numpy(noise)

    def __enter__(self):
        module = diffusers.schedulers.scheduling_ddpm
        self.kept, module.randn_tensor = module.randn_tensor, lambda *_, **__: self.noise

    def __exit__(self, *_):
        diffusers.schedulers.scheduling_ddpm.randn_tensor = self.kept


@pytest.mark.parametrize("steps", [1, 7, 30])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", THEIRS)
def test_every_step_equals_diffusers(kind, variant, steps):
    """Timesteps, what the network sees and where each step leads agree to 1e-5 of the step's size."""
    config = RELEASED | VARIANTS[variant]
    random = np.random.default_rng(steps)
    noise = random.standard_normal((steps + 1, 1, 4, 5, 3)).astype(np.float32)
    outputs = random.standard_normal((steps, 1, 4, 5, 3)).astype(np.float32)
    theirs, seen, before = their_run(kind, config, steps, noise, outputs)
    ours = make_schedule(read_config(config, kind), kind, steps)
    np.testing.assert_allclose(ours.timesteps, theirs.timesteps.numpy(), rtol=1e-6)
    tolerance = LOOSE.get((kind, variant), 1e-5)
    assert_close(noise[0] * np.float32(ours.initial_scale), before[0], tolerance)
    for step, latents in enumerate(before[:-1]):
        row = ours.table[step : step + 1]
        assert_close(row[0, INPUT_SCALE] * latents, seen[step], tolerance)
        onward, _ = advance(row, latents, outputs[step], noise[step + 1])
        assert onward.dtype == np.float32
        assert_close(
            onward, before[step + 1], tolerance, size=max(np.abs(latents).max(), np.abs(onward).max())
        )


def assert_close(ours, theirs, tolerance=1e-5, size=None):
    assert np.abs(ours - theirs).max() <= tolerance * (size or np.abs(theirs).max())


@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
@pytest.mark.parametrize("kind", THEIRS)
def test_every_step_count_has_diffusers_timesteps(kind, spacing):
    """The timesteps of 1 to 100 steps equal diffusers'."""
    config = RELEASED | {"timestep_spacing": spacing, "rescale_betas_zero_snr": False}
    theirs = THEIRS[kind].from_config(config)
    for steps in range(1, 101):
        theirs.set_timesteps(steps)
        ours = make_schedule(read_config(config, kind), kind, steps)
        np.testing.assert_allclose(ours.timesteps, theirs.timesteps.numpy()[:steps], rtol=1e-6)


def test_rows_of_different_schedulers_advance_together():
    """One call over rows of three schedulers at three steps gives what three calls give, bit for bit."""
    random = np.random.default_rng(0)
    latents, output, noise = random.standard_normal((3, 3, 4, 6, 5)).astype(np.float32)
    rows = np.stack(
        [make_schedule(read_config(RELEASED, kind), kind, 9 + i).table[i] for i, kind in enumerate(THEIRS)]
    )
    together = np.stack(advance(rows, latents, output, noise))
    for i in range(3):
        alone = advance(rows[i : i + 1], latents[i : i + 1], output[i : i + 1], noise[i : i + 1])
        np.testing.assert_array_equal(together[:, i : i + 1], np.stack(alone))


def test_the_estimate_of_the_clean_latents_is_diffusers():
    """The second result is pred_original_sample."""
    theirs = diffusers.DDIMScheduler.from_config(RELEASED)
    theirs.set_timesteps(20)
    latents, output = np.random.default_rng(1).standard_normal((2, 1, 4, 3, 3)).astype(np.float32)
    expected = theirs.step(torch.from_numpy(output), theirs.timesteps[5], torch.from_numpy(latents))
    row = make_schedule(read_config(RELEASED, "ddim"), "ddim", 20).table[5:6]
    assert_close(advance(row, latents, output, 0.0)[1], expected.pred_original_sample.numpy())


def test_the_released_schedule_is_the_documented_one():
    """The released 30 steps are 958, 925, … 34, 1, and the last draws no noise."""
    schedule = make_schedule(read_config(RELEASED, "ddpm"), "ddpm", 30)
    np.testing.assert_array_equal(schedule.timesteps, np.arange(958, 0, -33))
    assert (schedule.table[:-1, NEXT_NOISE] > 0).all()
    assert schedule.table[-1, NEXT_NOISE] == 0


def test_the_checkpoint_names_its_scheduler():
    """The config's _class_name decides; an unsupported one is named in the error."""
    assert [checkpoint_kind({"_class_name": theirs.__name__}) for theirs in THEIRS.values()] == list(THEIRS)
    with pytest.raises(UnsupportedScheduler, match="PNDMScheduler"):
        checkpoint_kind({"_class_name": "PNDMScheduler"})


def test_a_schedule_is_made_once():
    """Jobs with the same steps share one table; "checkpoint" is the scheduler that the checkpoint names."""
    schedules = Schedules(RELEASED)
    assert schedules.get("checkpoint", 20) is schedules.get("ddpm", 20)
    assert schedules.get("euler", 20) is not schedules.get("ddpm", 20)
    with pytest.raises(UnsupportedScheduler, match="'plms'"):
        schedules.get("plms", 20)


@pytest.mark.parametrize(
    "setting",
    [
        {"thresholding": True},
        {"use_karras_sigmas": True},
        {"use_beta_sigmas": True},
        {"interpolation_type": "log_linear"},
        {"timestep_type": "continuous"},
        {"sigma_max": 80.0},
        {"beta_schedule": "squaredcos_cap_v2"},
        {"prediction_type": "flow"},
        {"timestep_spacing": "karras"},
        {"variance_type": "learned_range"},
        {"trained_betas": [0.1, 0.2]},
        {"beta_start": "0.1"},
        {"clip_sample": 1},
        {"algorithm_type": "sde"},
        {"num_train_timesteps": 0},
        {"steps_offset": -1},
        {"beta_start": float("nan")},
        {"beta_start": -0.1},
        {"beta_end": 1.0},
        {"trained_betas": [0.0] * 1000},
        {"clip_sample_range": float("nan")},
        {"clip_sample_range": -1.0},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_a_setting_that_is_not_computed_is_refused(setting):
    """An error names a setting that would change the result and is not supported."""
    with pytest.raises(UnsupportedScheduler, match=next(iter(setting))):
        read_config(RELEASED | setting, "ddpm")


def test_epsilon_cannot_start_at_zero_signal():
    """Trailing spacing with zero SNR and an epsilon prediction is refused, since it divides by zero."""
    config = read_config(RELEASED | {"timestep_spacing": "trailing"}, "ddim")
    with pytest.raises(UnsupportedScheduler, match="timestep 999"):
        make_schedule(config, "ddim", 30)


@pytest.mark.parametrize("steps", [0, 1001])
def test_steps_outside_the_training_range_are_refused(steps):
    """Steps are at least one and at most the training timesteps."""
    with pytest.raises(UnsupportedScheduler, match=f"1 to 1000 .*got {steps}"):
        make_schedule(read_config(RELEASED, "ddpm"), "ddpm", steps)


def test_an_offset_past_the_last_timestep_is_refused():
    """1000 leading steps with an offset of 1 would start at timestep 1000, which was never trained."""
    with pytest.raises(UnsupportedScheduler, match="steps_offset 1"):
        make_schedule(read_config(RELEASED, "ddpm"), "ddpm", 1000)


@pytest.mark.parametrize("read", [lambda config: read_config(config, "ddpm"), read_flow_config])
def test_newer_settings_that_are_not_set_are_ignored(read):
    """A newer diffusers writes its new settings as null; one with a value may change the result."""
    assert read({"newer": None}) == read({})
    with pytest.raises(UnsupportedScheduler, match="newer"):
        read({"newer": 0.5})
