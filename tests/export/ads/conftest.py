"""What diffusers' pipeline draws with a random, tiny Z-Image checkpoint."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import ZImagePipeline

sys.path.insert(0, str(Path(__file__).parents[2]))  # tests/, for the checkpoint that several folders use

from tiny_z_image import pipeline

PROMPTS = ["a red cup", "a green bottle in a shop window, morning light", "bread"]
CASE = {"kind": "z-image", "model": "tiny", "width": 64, "height": 48, "steps": 3}


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Reference arrays: three prompts of different lengths in one call, guidance against an empty prompt."""
    place = tmp_path_factory.mktemp("parity")
    pipe = pipeline()
    pipe.set_progress_bar_config(disable=True)
    pipe.save_pretrained(place / "tiny")
    cases = [
        {**CASE, "name": "three", "prompts": PROMPTS, "guidance": 0.0},
        {**CASE, "name": "guided", "prompts": PROMPTS[:1], "negative": "", "guidance": 3.0},
    ]
    for case in cases:
        np.savez(place / f"{case['name']}.npz", **drawn(pipe, case))
    (place / "meta.json").write_text(json.dumps({"cases": cases}))
    return place


def drawn(pipe: ZImagePipeline, case: dict) -> dict[str, np.ndarray]:
    """The arrays of a case."""
    prompts, steps = list(case["prompts"]), []
    noise = torch.randn(len(prompts), 16, 6, 8, generator=torch.Generator().manual_seed(4))

    def keep(pipe, index, time, given):
        steps.append(given["latents"].clone())
        return given

    with torch.no_grad():
        embeds, _ = pipe.encode_prompt(list(prompts), do_classifier_free_guidance=False)
        latents = pipe(
            prompt=list(prompts),
            negative_prompt=[case["negative"]] if "negative" in case else None,
            width=case["width"],
            height=case["height"],
            num_inference_steps=case["steps"],
            guidance_scale=case["guidance"],
            latents=noise.clone(),
            output_type="latent",
            callback_on_step_end=keep,
        ).images
        config = pipe.vae.config
        pixels = pipe.vae.decode(latents / config.scaling_factor + config.shift_factor).sample
    arrays = {
        "noise": noise,
        "latents": latents,
        "pixels": pixels,
        "steps_latents": torch.stack(steps),
        "sigmas": pipe.scheduler.sigmas,
        "timesteps": pipe.scheduler.timesteps,
        **{f"embeds_{row}": embed for row, embed in enumerate(embeds)},
    }
    return {name: tensor.numpy() for name, tensor in arrays.items()}
