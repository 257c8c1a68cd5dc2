"""One step is compared with the released code's numbers, at a tiny size."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from vitrine_export.nets import build_tryon
from vitrine_export.nets.step_forms import FORMS, Job

DATA = Path(__file__).parents[2] / "data"
NEAR = 0.05
"""The weights are stored as float16, which moves the prediction by 0.02; a mistake moves it by 0.4 to 3."""


@pytest.fixture(scope="module")
def step():
    """The released inputs and prediction of two rows at timestep 331."""
    with np.load(DATA / "released_step.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="module")
def tryon():
    """TryonNet with the random weights that the released code was run with."""
    config = json.loads((DATA / "released_step_config.json").read_text())
    state = load_file(DATA / "released_step_unet.safetensors")
    return build_tryon(config, {key: tensor.float() for key, tensor in state.items()}).eval()


def job_of(step, tryon):
    """The step's inputs as a job."""
    hidden = torch.stack([step["clip_hidden_uncond"], step["clip_hidden"]])
    return Job(
        fixed=torch.cat([step[name] for name in ("mask", "masked_latents", "pose_latents")], dim=1),
        garment=step["cloth_latents"],
        garment_prompt=step["text_cloth"],
        text=torch.stack([step["neg_prompt"], step["prompt"]]),
        image_tokens=tryon.image_tokens(hidden.flatten(0, 1)).unflatten(0, (2, -1)),
        pooled=torch.stack([step["neg_pooled"], step["pooled"]]),
        time_ids=step["time_ids"],
    )


def features_of(step):
    """The released garment features, used instead of a GarmentNet."""
    stored = [step[name] for name in sorted(step) if name.startswith("feat_")]
    return lambda latents, timesteps, prompt: list(stored)


@torch.no_grad()
@pytest.mark.parametrize("form", FORMS)
def test_the_prediction_is_the_released_one(step, tryon, form):
    """Both forms give the released prediction of both halves."""
    predict = FORMS[form](tryon, features_of(step), job_of(step, tryon))
    prediction = predict(step["latents"], step["timestep"].expand(2))
    torch.testing.assert_close(prediction, step["noise_pred"], atol=NEAR, rtol=0)


@torch.no_grad()
def test_swapped_halves_are_far_off(step, tryon):
    """Swapping the unconditional and the conditional half fails the check."""
    predict = FORMS["fast"](tryon, features_of(step), job_of(step, tryon))
    uncond, cond = predict(step["latents"], step["timestep"].expand(2)).chunk(2)
    assert (torch.cat([cond, uncond]) - step["noise_pred"]).abs().max() > 8 * NEAR
