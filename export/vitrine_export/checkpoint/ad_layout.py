"""The parts of advertising checkpoints, in the layout of diffusers. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Family:
    """One kind of checkpoint: its class names in model_index.json, and the folder of every network."""

    name: str
    pipelines: tuple[str, ...]
    networks: tuple[str, ...]
    tokenizers: tuple[str, ...]


FAMILIES: Final = (
    Family(
        "z-image",
        ("ZImagePipeline", "ZImageImg2ImgPipeline"),
        ("transformer", "text_encoder", "vae"),
        ("tokenizer",),
    ),
    Family(
        "flux",
        ("FluxPipeline", "FluxImg2ImgPipeline"),
        ("transformer", "text_encoder", "text_encoder_2", "vae"),
        ("tokenizer", "tokenizer_2"),
    ),
)


@dataclass(frozen=True)
class Settings:
    """The allowed settings of a config.json: those that are read, have a fixed value, or change nothing.

    Settings that are null and those of EMA are allowed too.
    `gaps` are settings that published files are known to omit, with the released model's values.
    """

    read: tuple[str, ...]
    only: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    idle: tuple[str, ...] = ()
    gaps: Mapping[str, Any] = field(default_factory=dict)


TRANSFORMERS: Final = {
    "z-image": Settings(
        read=(
            *("in_channels", "dim", "n_layers", "n_refiner_layers", "n_heads", "norm_eps", "qk_norm"),
            *("cap_feat_dim", "rope_theta", "t_scale", "axes_dims", "axes_lens"),
        ),
        only={
            "all_patch_size": ([2],),
            "all_f_patch_size": ([1],),
            "siglip_feat_dim": (None,),
            "norm_type": ("rms_norm",),
        },
        idle=("n_kv_heads",),
        gaps={
            "norm_type": "rms_norm",
            "qk_norm": True,
            "norm_eps": 1e-5,
            "rope_theta": 256.0,
            "t_scale": 1000.0,
        },
    ),
    "flux": Settings(
        read=(
            *("in_channels", "num_layers", "num_single_layers", "attention_head_dim"),
            *("num_attention_heads", "joint_attention_dim", "pooled_projection_dim"),
            *("guidance_embeds", "axes_dims_rope"),
        ),
        only={"patch_size": (1,), "out_channels": (None, 64), "norm_type": ("layer_norm",)},
        gaps={"guidance_embeds": False, "axes_dims_rope": [16, 56, 56]},
    ),
}
"""The settings of transformer/config.json by family."""

EMA: Final = frozenset(
    {
        *("decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step"),
        "use_ema_warmup",
    }
)
"""What diffusers' EMAModel writes into a config next to the network's own settings; nothing reads it."""

Z_IMAGE_PROMPT_TOKENS: Final = 512
"""The most tokens of a prompt in Z-Image's released pipeline (max_sequence_length)."""

LORA_RANK: Final = 16
"""The rank of a LoRA slot: most published adapters have 16 or less; see docs/decisions.md."""

VAE_GAPS: Final = {"scaling_factor": 0.3611, "shift_factor": 0.1159}
"""The values of both families' 16-channel VAE for a config.json that omits them."""
