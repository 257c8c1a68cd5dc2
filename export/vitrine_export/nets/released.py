"""The configs of the released try-on model at its real size: the settings that change a computation.

Source: unet/config.json, unet_encoder/config.json and scheduler/scheduler_config.json of the Hugging Face
repository yisol/IDM-VTON. Omitted settings have the defaults of diffusers.
"""

from typing import Any, Final

SDXL: Final[dict[str, Any]] = {
    "sample_size": 128,
    "out_channels": 4,
    "block_out_channels": [320, 640, 1280],
    "layers_per_block": 2,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "act_fn": "silu",
}

TRYON: Final[dict[str, Any]] = {
    **SDXL,
    "in_channels": 13,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "encoder_hid_dim": 1280,
    "encoder_hid_dim_type": "ip_image_proj",
}

GARMENT: Final[dict[str, Any]] = {**SDXL, "in_channels": 4}

SCHEDULER: Final[dict[str, Any]] = {
    "_class_name": "DDPMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
    "clip_sample": False,
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "rescale_betas_zero_snr": True,
}
