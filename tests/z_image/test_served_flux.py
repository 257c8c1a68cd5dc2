"""FLUX beside Z-Image in one repository: from the same stages in this process, and from a real server."""

from __future__ import annotations

import asyncio
import io
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from local_stages import LocalStages
from PIL import Image
from vitrine.errors import BadRequest
from vitrine_export.nets.flux.rows import patched
from vitrine_orchestrator.drawing.pipeline import text_to_image
from vitrine_orchestrator.sampling.noise import initial_noise
from vitrine_orchestrator.stages.flux import FAMILY

PROMPT = "a red cup, 따뜻한 라떼 ☕"


@pytest.fixture(scope="module")
def local(repository):
    """FLUX's stages in this process."""
    stages = LocalStages(repository, FAMILY)
    yield stages
    stages.front.close()


def request(seed=7, **more):
    """The inputs of text_to_image."""
    return {"prompt": np.array([PROMPT.encode()], object), "seed": np.array([seed], np.uint64), **more}


def pixels(encoded):
    """The levels of an encoded picture."""
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB")).astype(int)


def size(width, height):
    """The inputs of a picture's size."""
    return {"width": np.array([width], np.int32), "height": np.array([height], np.int32)}


async def test_a_picture_is_the_one_that_the_released_pipeline_draws(local, flux_pipeline):
    """Tokenizers, encoders, schedule, transformer and decoder: from the same noise within one level."""
    drawn = await text_to_image(local.context, request(**size(96, 64)))
    noise = torch.from_numpy(initial_noise(7, (16, 8, 12)))
    with torch.no_grad():
        theirs = flux_pipeline(
            prompt=PROMPT,
            width=96,
            height=64,
            num_inference_steps=3,
            guidance_scale=3.5,
            latents=patched(noise)[None],
            output_type="np",
        ).images[0]
    assert np.abs(pixels(drawn["image"][0]) - np.round(theirs * 255)).max() <= 1
    assert np.std(theirs) > 0.02


async def test_concurrent_pictures_equal_those_made_alone(local):
    """Different sizes, steps and guidance at once: each within one level of itself alone."""
    asked = [
        request(1),
        request(2, **size(96, 48)),
        request(3, steps=np.array([5], np.int32), guidance=np.array([1.0], np.float32)),
    ]
    alone = [await text_to_image(local.context, one) for one in asked]
    with local.arriving_together(len(asked)):
        together = await asyncio.gather(*(text_to_image(local.context, one) for one in asked))
    for one, other in zip(alone, together, strict=True):
        assert np.abs(pixels(one["image"][0]) - pixels(other["image"][0])).max() <= 1
    assert max(json.loads(one["report"][0])["rows_per_call"] for one in together) > 1


async def test_the_family_is_chosen_by_name(vitrine, local):
    """The default is the first family; FLUX's served picture is the one made in this process."""
    usual = vitrine.text_to_image(prompt=PROMPT, seed=7)
    named = vitrine.text_to_image(prompt=PROMPT, seed=7, model="z-image")
    other = vitrine.text_to_image(prompt=PROMPT, seed=7, model=FAMILY)
    assert usual.encoded == named.encoded != other.encoded
    assert usual.report["pipeline_digest"] != other.report["pipeline_digest"]
    drawn = await text_to_image(local.context, request())
    assert np.abs(np.asarray(other.image).astype(int) - pixels(drawn["image"][0])).max() <= 1
    start = Image.new("RGB", (64, 64), (90, 120, 200))
    changed = vitrine.image_to_image(prompt=PROMPT, image=start, seed=7, strength=0.5, model=FAMILY)
    assert changed.report["steps"] == 1


def test_pictures_of_both_families_at_the_same_time_are_those_of_each_alone(vitrine):
    """Their jobs run in one `denoise` process."""
    asked = [
        {"prompt": PROMPT, "seed": seed, "model": model} for seed in (1, 2) for model in ("flux", "z-image")
    ]

    def drawn(options):
        return np.asarray(vitrine.text_to_image(**options).image).astype(int)

    alone = [drawn(one) for one in asked]
    with ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(drawn, asked))
    assert max(np.abs(a - b).max() for a, b in zip(alone, together, strict=True)) <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "other"}, "model must be one of z-image, flux, got 'other'"),
        ({"model": FAMILY, "negative_prompt": "text"}, "negative_prompt must not be given"),
        ({"model": FAMILY, "prompt": "a" * 512}, "prompt must have at most 511 tokens, got 512"),
    ],
)
def test_a_served_refusal_is_typed(vitrine, options, said):
    """The caller gets the error that the rule raises, with its words."""
    with pytest.raises(BadRequest) as refused:
        vitrine.text_to_image(**({"prompt": "a cup"} | options))
    assert said in str(refused.value)
