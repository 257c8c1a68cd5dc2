"""What Z-Image's prompts become: features of their tokens, cached ones, and limits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fake_picture_stages import fake_context, texted
from kept_values import Kept
from tiny_z_image import tokenizer
from vitrine.errors import BadRequest
from vitrine_orchestrator.drawing.prepare_prompt import prepare_prompt
from vitrine_orchestrator.z_image.prompt_encoder import open_encoder


@pytest.fixture
def encode(tmp_path, context):
    """The family's work on a prompt, with a tokenizer of bytes, framed as the facts say."""
    tokenizer().backend_tokenizer.save(str(tmp_path / "tokenizer.json"))
    return open_encoder(tmp_path, context.facts)


FRAME = 3 + len("user\n") + len("\nassistant\n")
"""Tokens of the frame: three special tokens, and a token a byte of the rest."""


@pytest.mark.parametrize("prompt", ["", "a", "따뜻한 라떼", "☕🏽", "مرحبا بالعالم", "a" * 205])
async def test_a_prompt_becomes_the_features_of_its_tokens(context, stages, encode, prompt):
    """Any script is read; the empty prompt is the frame alone; a token a byte."""
    stages.answers["z_image_text_encoder"] = lambda given: {
        "features": given["input_ids"][..., None].repeat(4, axis=2).astype(np.float32)
    }
    answer = await prepare_prompt(context, encode, {"prompt": texted(prompt)})
    assert len(answer["caption"]) == FRAME + len(prompt.encode())


async def test_a_known_prompt_is_not_encoded_again(context, stages, encode):
    """Cached features are the fresh ones; another prompt or another release is encoded."""
    encoded_prompts = []

    def encoder(given):
        encoded_prompts.append(given["input_ids"])
        return {"features": given["input_ids"][..., None].repeat(4, axis=2).astype(np.float32)}

    stages.answers["z_image_text_encoder"] = encoder
    memo = Kept()
    ours = fake_context(stages, memo=memo)
    other = fake_context(stages, digest="1" * 64, memo=memo)
    fresh = await prepare_prompt(ours, encode, {"prompt": texted("a cup")})
    again = await prepare_prompt(ours, encode, {"prompt": texted("a cup")})
    assert len(encoded_prompts) == 1
    assert np.array_equal(fresh["caption"], again["caption"])
    sources = [json.loads(one["report"][0])["sources"]["prompt"] for one in (fresh, again)]
    assert sources == ["fresh", "memory"]
    await prepare_prompt(ours, encode, {"prompt": texted("A cup")})
    await prepare_prompt(other, encode, {"prompt": texted("a cup")})
    assert len(encoded_prompts) == 3


async def test_a_prompt_of_too_many_tokens_is_refused(context, encode):
    """The released pipeline would cut it and the frame's end with it."""
    most = 224 - FRAME
    with pytest.raises(BadRequest, match=f"prompt must have at most {most} tokens, got 511"):
        await prepare_prompt(context, encode, {"prompt": texted("a" * 511)})
