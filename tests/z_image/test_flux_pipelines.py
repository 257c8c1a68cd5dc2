"""FLUX's pipelines on fake stages: prompts of any kind, what they send, what they refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fake_picture_stages import denoised, fake_vae, report, texted
from tiny_flux import POOLED, STATIC, WIDTH, clip_tokenizer, t5_tokenizer
from vitrine.errors import BadRequest
from vitrine_orchestrator.drawing.pipeline import image_to_image, text_to_image
from vitrine_orchestrator.drawing.prepare_prompt import prepare_prompt
from vitrine_orchestrator.flux.context import FluxContext
from vitrine_orchestrator.flux.facts import TOKENIZER, TOKENIZER_2
from vitrine_orchestrator.flux.prompt_encoder import open_encoder
from vitrine_orchestrator.manifest import Manifest
from vitrine_orchestrator.stages.calls import FakeStages
from vitrine_orchestrator.stages.flux import FAMILY

FACTS = {
    "width": 64,
    "height": 64,
    "channels": 16,
    "factor": 8,
    "caption_width": WIDTH,
    "pooled_width": POOLED,
    "rows": 1024,
    "columns": 1024,
    "prompt_tokens": 512,
    "pad_id": 513,
    "pad_id_2": 0,
    "embedded_guidance": True,
    "default_steps": 28,
    "default_guidance": 3.5,
    "scheduler": {"_class_name": "FlowMatchEulerDiscreteScheduler", **STATIC},
    "lora_rank": 16,
    "lora_inputs": 8,
    "lora_outputs": 8,
}
SCHNELL = {"embedded_guidance": False, "default_guidance": 0.0, "default_steps": 4, "prompt_tokens": 256}


@pytest.fixture
def stages():
    """Stages that answer with the right shapes; the encoders' features are their token ids."""
    return FakeStages(
        prepare_prompt=lambda inputs: {
            "caption": np.ones((512, WIDTH), np.float32),
            "pooled": np.ones(POOLED, np.float32),
            "report": report(),
        },
        flux_text_encoder=lambda inputs: {"pooled": inputs["input_ids"].astype(np.float32)},
        flux_text_encoder_2=lambda inputs: {"features": inputs["input_ids"][..., None].astype(np.float32)},
        denoise=denoised,
        **fake_vae("flux"),
    )


def context_of(stages, **facts):
    """A request context over the fakes."""
    return FluxContext(stages, Manifest(FAMILY, FACTS | facts, "0" * 64, "test", {}))


@pytest.fixture
def context(stages):
    """Dev's context."""
    return context_of(stages)


@pytest.fixture
def encode(tmp_path, context):
    """The family's work on a prompt, with tokenizers of bytes."""
    clip_tokenizer().backend_tokenizer.save(str(tmp_path / TOKENIZER))
    t5_tokenizer().backend_tokenizer.save(str(tmp_path / TOKENIZER_2))
    return open_encoder(tmp_path, context.facts)


@pytest.mark.parametrize(
    "prompt", ["", "a", "a red cup", "따뜻한 라떼", "☕🏽 " * 20, "مرحبا بالعالم", "a" * 511]
)
async def test_prompts_become_the_ids_of_the_released_tokenizers(context, stages, encode, prompt):
    """T5's have 512 tokens and are padded, CLIP's 77 with the end kept; transformers gives the same."""
    answer = await prepare_prompt(context, encode, {"prompt": texted(prompt)})
    prompt = prompt.strip()
    settings = {"padding": "max_length", "truncation": True, "return_tensors": "np"}
    long = t5_tokenizer()(prompt, max_length=512, **settings).input_ids[0]
    short = clip_tokenizer()(prompt, max_length=77, **settings).input_ids[0]
    assert np.array_equal(answer["caption"][:, 0], long)
    assert np.array_equal(answer["pooled"], short)
    assert 513 in short


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a" * 512, "prompt must have at most 511 tokens, got 512"),
        ("a" * 100_000, "prompt must have at most 10000 characters, got 100000"),
        (b"\xed\xa0\x80", "prompt must be UTF-8"),  # a lone surrogate
    ],
)
async def test_prompts_that_cannot_be_read_whole_are_refused(context, stages, encode, prompt, said):
    """No encoder has run."""
    with pytest.raises(BadRequest) as refused:
        await prepare_prompt(context, encode, {"prompt": texted(prompt)})
    assert said in str(refused.value)
    assert not stages.calls


async def test_a_prompt_is_one_caption_whatever_the_guidance(context, stages):
    """The job has the family, both encoders' features, the guidance, and no negative caption."""
    await text_to_image(context, {"prompt": texted("a cup"), "guidance": np.array([2.5], np.float32)})
    (asked,) = [inputs for name, inputs in stages.calls if name == "prepare_prompt"]
    (job,) = [inputs for name, inputs in stages.calls if name == "denoise"]
    assert asked["model"][0] == job["family"][0] == FAMILY.encode()
    assert job["caption"].shape == (512, WIDTH)
    assert job["pooled"].shape == (POOLED,)
    assert job["guidance"][0] == 2.5
    assert job["steps"][0] == 28
    assert "negative_caption" not in job


async def test_a_picture_is_encoded_by_the_familys_own_network(context, stages):
    """The start is encoded, and the strength sent."""
    given = {"image_raw": np.full((32, 64, 3), 128, np.uint8), "strength": np.array([0.3], np.float32)}
    answer = await image_to_image(context, {"prompt": texted("a cup"), **given})
    assert json.loads(answer["report"][0])["size"] == [96, 48]
    names = [name for name, _ in stages.calls]
    assert {"flux_vae_encoder", "flux_vae_decoder"} <= set(names)


@pytest.mark.parametrize(
    ("facts", "asked", "said"),
    [
        ({}, {"negative_prompt": texted("text")}, "negative_prompt must not be given for the model flux"),
        (SCHNELL, {"guidance": np.array([3.5], np.float32)}, "guidance must be 0: "),
        ({}, {"guidance": np.array([21], np.float32)}, "guidance must be 0 to 20, got 21"),
        ({}, {"width": np.array([72]), "height": np.array([64])}, "width must be a multiple of 16"),
        ({}, {"width": np.array([16]), "height": np.array([16400])}, "up to 16384, got 16400"),
        ({}, {"width": np.array([4096]), "height": np.array([2048])}, "at most 4194304 pixels"),
        ({}, {"prompt": texted(" ")}, "prompt must be given"),
    ],
)
async def test_what_the_network_cannot_take_is_refused_before_any_stage(stages, facts, asked, said):
    """A negative prompt is never dropped silently, nor guidance where the checkpoint has none."""
    with pytest.raises(BadRequest) as refused:
        await text_to_image(context_of(stages, **facts), {"prompt": texted("a cup")} | asked)
    assert said in str(refused.value)
    assert not stages.calls


async def test_a_strip_of_8192_pixels_is_drawn(context):
    """Its sides are multiples of 16, and it has few pixels."""
    sides = {"width": np.array([16], np.int32), "height": np.array([8192], np.int32)}
    answer = await text_to_image(context, {"prompt": texted("a cup"), **sides})
    assert json.loads(answer["report"][0])["size"] == [16, 8192]
