"""The paper-doll checkpoint as data: the nets' configs (released keys, small widths) and training plans."""

from __future__ import annotations

from typing import Any

from vitrine_export.training.loop import Plan

PICTURE = (192, 256)
"""Width and height of the drawn pictures, in px."""

SEED = 20261121
"""The seed of all training data; scores use other seeds."""

VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [16, 24, 48, 64],
    "layers_per_block": 1,
    "act_fn": "silu",
    "latent_channels": 4,
    "norm_num_groups": 2,
    "sample_size": 256,
    "force_upcast": False,
}

CONTEXT_WIDTH = 64

_UNET: dict[str, Any] = {
    "sample_size": 32,
    "out_channels": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [32, 72, 72],
    "layers_per_block": 1,
    "transformer_layers_per_block": [1, 1, 1],
    "attention_head_dim": [2, 3, 3],
    "cross_attention_dim": CONTEXT_WIDTH,
    "use_linear_projection": True,
    "norm_num_groups": 4,
    "norm_eps": 1e-5,
    "act_fn": "silu",
}

TRYON_UNET: dict[str, Any] = {
    **_UNET,
    "in_channels": 13,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 32 + 6 * 8,
    "encoder_hid_dim": 64,
    "encoder_hid_dim_type": "ip_image_proj",
}

GARMENT_UNET: dict[str, Any] = {**_UNET, "in_channels": 4}

IMAGE_PROJECTION = {
    "dim": 64,
    "depth": 1,
    "dim_head": 32,
    "heads": 2,
    "num_queries": 16,
    "embedding_dim": 64,
    "output_dim": CONTEXT_WIDTH,
    "ff_mult": 4,
}

IMAGE_ENCODER: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "projection_dim": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 224,
    "patch_size": 28,
    "hidden_act": "gelu",
}

TEXT_ENCODER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
    "projection_dim": 32,
}

SCHEDULER: dict[str, Any] = {
    "_class_name": "DDPMScheduler",
    "_diffusers_version": "0.42.0",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "sample_max_value": 1.0,
    "prediction_type": "sample",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "rescale_betas_zero_snr": True,
    "variance_type": "fixed_small",
}
"""As released, except that the nets predict clean latents, which trains faster on these pictures."""

PLANS = {
    "vae_crops": Plan(steps=1800, batch=4, lr=1.5e-3),
    "vae": Plan(steps=400, batch=3, lr=6e-4),
    "vae_decoder": Plan(steps=1500, batch=2, lr=5e-4, save_every=20),
    "parsing_atr": Plan(steps=5000, batch=4, lr=4e-3),
    "parsing_lip": Plan(steps=1000, batch=4, lr=2e-3),
    "densepose": Plan(steps=1500, batch=4, lr=2e-3),
    "pose": Plan(steps=8000, batch=12, lr=4e-3, warmup=200),
    "detector": Plan(steps=6000, batch=12, lr=4e-3, ema=0.998),
    "tryon": Plan(steps=5000, batch=16, lr=2e-3, warmup=100, ema=0.998),
    "finish": Plan(steps=1300, batch=4, lr=5e-4, save_every=20),
}
