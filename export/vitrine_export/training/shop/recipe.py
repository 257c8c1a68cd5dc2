"""How the paper shop's networks train, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vitrine_world import shop

from vitrine_export.training.loop import Plan

SEED = 20261126
"""The seed of everything that is drawn for training; scores use other seeds."""

PICTURES = 3600
"""How many drawings the set holds."""
STYLE_SHARES = {"plain": 0.6, "line": 0.2, "night": 0.2}
"""How often the set shows each style."""


@dataclass(frozen=True)
class Part:
    """A part of the generator's training: what is shown, and the step at which its plan is left, if any."""

    name: str
    advertisements: int
    empty: int = 0  # scenes without their product
    covered: Mapping[str, Sequence[str]] = field(default_factory=dict)  # of a fact: those values alone
    steps: int | None = None


FIRST_COVERED = {
    "kind": ("bottle", "mug", "sneaker", "handbag"),
    "trade": ("cafe", "bakery", "flower shop", "bookshop", "sports shop"),
}
PARTS = (
    Part("first", 1400, covered=FIRST_COVERED, steps=3600),
    Part("world", 4000),
    Part("scenes", 4000, empty=1400),
)
"""The generator learns a part of the world, then all of it, then its scenes without a product as well.

The plan of the first part is longer, so that its learning rate is still high when it is left.
"""
STYLED = 192
"""How many drawings each style's LoRA learns from: the first ones of the generator."""
STYLE_RANK = 8
"""The rank of the styles' LoRAs."""
LAYOUT = shop.Layout("left", 33.5, 18.5, 35.5, ((67.0, 27.5), (86.5, 24.5)))
"""Where things stand in all of them: the middle of what the world draws, with the product on the left.

A prompt does not say where things stand. With one layout a prompt has one picture, which so small a network
learns in an hour.
"""

VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [16, 24, 48, 64],
    "layers_per_block": 1,
    "act_fn": "silu",
    "latent_channels": 16,
    "norm_num_groups": 2,
    "sample_size": 128,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "force_upcast": False,
}
"""vae/config.json; training adds the latents' shift and scale."""

TRANSFORMER: dict[str, Any] = {
    "in_channels": 16,
    "dim": 192,
    "n_layers": 5,
    "n_refiner_layers": 1,
    "n_heads": 6,
    "cap_feat_dim": 128,
    "axes_dims": (8, 12, 12),
    "axes_lens": (544, 64, 64),
}
"""Settings of ZImageConfig. 544 places hold a prompt of 512 tokens; pictures go to 1024 px a side."""

TRANSFORMER_CONFIG: dict[str, Any] = {
    "_class_name": "ZImageTransformer2DModel",
    "_diffusers_version": "0.42.1",
    "all_patch_size": [2],
    "all_f_patch_size": [1],
    **TRANSFORMER,
    "n_kv_heads": TRANSFORMER["n_heads"],
    "norm_type": "rms_norm",
    "norm_eps": 1e-5,
    "qk_norm": True,
    "rope_theta": 256.0,
    "t_scale": 1000.0,
    "siglip_feat_dim": None,
}
"""transformer/config.json."""

TEXT: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 1024,
}
"""Settings of Qwen3Config. The family reads the hidden states before the last layer, so one layer works."""

CLIP: dict[str, Any] = {
    "projection_dim": 64,
    "vision_config": {
        "hidden_size": 96,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 3,
        "image_size": 224,
        "patch_size": 28,
        "hidden_act": "gelu",
    },
    "text_config": {
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 77,
        "hidden_act": "gelu",
    },
}
"""Settings of CLIPConfig; the vocabulary adds its size. A patch is 16 px of a drawing of 128."""

SCHEDULER: dict[str, Any] = {
    "_class_name": "FlowMatchEulerDiscreteScheduler",
    "_diffusers_version": "0.42.1",
    "num_train_timesteps": 1000,
    "use_dynamic_shifting": False,
    "shift": 3.0,
}
"""scheduler/scheduler_config.json, as released."""

MODEL_INDEX: dict[str, Any] = {
    "_class_name": "ZImagePipeline",
    "_diffusers_version": "0.42.1",
    "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
    "text_encoder": ["transformers", "Qwen3Model"],
    "tokenizer": ["transformers", "PreTrainedTokenizerFast"],
    "transformer": ["diffusers", "ZImageTransformer2DModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
"""model_index.json."""

SETTINGS: dict[str, Any] = {
    "picture": {"width": shop.SIZE, "height": shop.SIZE},
    "default_steps": 8,
    "default_guidance": 0.0,
    "license": "Apache-2.0",
}
"""vitrine.json."""

PLANS = {
    "shop_generator_first": Plan(steps=6000, batch=32, lr=3e-3, warmup=60, ema=0.99, save_every=25),
    "shop_generator_world": Plan(steps=4500, batch=32, lr=2.5e-3, warmup=60, ema=0.995, save_every=25),
    "shop_generator_scenes": Plan(steps=2000, batch=32, lr=1.5e-3, warmup=60, ema=0.995, save_every=25),
    "shop_style": Plan(steps=300, batch=16, lr=5e-3, warmup=20, ema=0.97, save_every=20),
    "shop_vae": Plan(steps=2400, batch=8, lr=2e-3, warmup=100, ema=0.99, save_every=100),
    "shop_decoder": Plan(steps=6000, batch=4, lr=2e-3, warmup=50, ema=0.998, save_every=100),
    "shop_clip": Plan(steps=2400, batch=32, lr=4e-3, warmup=100, ema=0.99, save_every=25),
    "shop_checkers": Plan(steps=1000, batch=32, lr=3e-3, warmup=100, save_every=50),
    "shop_cut_out_half": Plan(steps=1000, batch=12, lr=4e-3, warmup=100, ema=0.98, save_every=100),
    "shop_cut_out": Plan(steps=2500, batch=8, lr=2e-3, warmup=30, ema=0.995, save_every=100),
}
"""U²-Net learns at half the pictures' size first, where a step costs a quarter."""
