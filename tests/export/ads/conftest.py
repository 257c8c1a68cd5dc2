"""A random, tiny Z-Image checkpoint in the released layout, and what diffusers' pipeline draws with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"
)
PROMPTS = ["a red cup", "a green bottle in a shop window, morning light", "bread"]
CASE = {"kind": "z-image", "model": "tiny", "width": 64, "height": 48, "steps": 3}


def tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are bytes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(SPECIAL)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=SPECIAL[0], eos_token=SPECIAL[2], padding_side="right"
    )
    wrapped.chat_template = TEMPLATE
    return wrapped


def pipeline() -> ZImagePipeline:
    torch.manual_seed(0)
    transformer = ZImageTransformer2DModel(
        dim=48,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=32,
        axes_dims=[8, 8, 8],
        axes_lens=[256, 64, 64],
    )
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "head_dim": 8}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024}
    vae = AutoencoderKL(
        block_out_channels=[8, 8, 16, 16],
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=4,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=0.3611,
        shift_factor=0.1159,
    )
    return ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae.eval(),
        text_encoder=Qwen3Model(Qwen3Config(vocab_size=266, **sizes, **heads)).eval(),
        tokenizer=tokenizer(),
        transformer=transformer.eval(),
    )


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
