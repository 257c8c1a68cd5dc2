"""The sizes of a trial checkpoint: the released layout with fewer layers and optionally fewer channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vitrine_export.nets.released import GARMENT, TRYON

CLIP_L_WIDTH, BIG_G_WIDTH = 768, 1280
"""The released widths of the text encoders; their sum is the UNets' context width, 2048."""


@dataclass(frozen=True)
class TrialSize:
    """The sizes of a trial's networks; every other value is as released."""

    unet_channels: tuple[int, int, int]  # released: 320, 640, 1280
    vae_channels: tuple[int, int, int, int]  # released: 128, 256, 512, 512
    text_layers: int  # released: 12 and 32
    image_layers: int  # released: 32
    projection_depth: int = 1  # released: 4
    blocks: int = 1  # residual blocks at each level of UNets and VAE; released: 2
    transformers: tuple[int, int, int] = (1, 1, 1)  # released: 1, 2, 10

    def unet(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """Return unet/config.json or unet_encoder/config.json, derived from the released one."""
        heads = [channels // 64 or 1 for channels in self.unet_channels]
        return {
            **base,
            "_class_name": "UNet2DConditionModel",
            "block_out_channels": list(self.unet_channels),
            "layers_per_block": self.blocks,
            "transformer_layers_per_block": list(self.transformers),
            "attention_head_dim": heads,
        }

    def tryon(self) -> dict[str, Any]:
        """Return TryonNet's config, with the shape of its image projection."""
        projection = {"dim": 1280, "depth": self.projection_depth, "dim_head": 64, "heads": 20}
        return self.unet(TRYON) | {"image_projection": projection | {"num_queries": 16}}

    def garment(self) -> dict[str, Any]:
        """Return GarmentNet's config."""
        return self.unet(GARMENT) | {"addition_embed_type": None}

    def vae(self) -> dict[str, Any]:
        """Return the VAE's config."""
        return {
            "_class_name": "AutoencoderKL",
            "down_block_types": ["DownEncoderBlock2D"] * 4,
            "up_block_types": ["UpDecoderBlock2D"] * 4,
            "block_out_channels": list(self.vae_channels),
            "layers_per_block": self.blocks,
            "latent_channels": 4,
            "norm_num_groups": 32,
            "scaling_factor": 0.13025,
            "force_upcast": False,
        }

    def text(self, width: int) -> dict[str, Any]:
        """Return the config of a text encoder of this width."""
        return {
            "hidden_size": width,
            "intermediate_size": 4 * width,
            "num_hidden_layers": self.text_layers,
            "num_attention_heads": width // 64,
            "projection_dim": width,
            "vocab_size": 49408,
            "bos_token_id": 0,
            "eos_token_id": 2,
        }

    def vision(self) -> dict[str, Any]:
        """Return the image encoder's config."""
        return {
            "hidden_size": 1280,
            "intermediate_size": 5120,
            "projection_dim": 1024,
            "num_hidden_layers": self.image_layers,
            "num_attention_heads": 16,
            "image_size": 224,
            "patch_size": 14,
            "hidden_act": "gelu",
        }


TRIAL_SIZES: Mapping[str, TrialSize] = {
    "half": TrialSize((160, 320, 640), (64, 128, 256, 256), text_layers=2, image_layers=2),
    "wide": TrialSize((320, 640, 1280), (128, 256, 512, 512), text_layers=4, image_layers=4),
}
"""`wide` has the released widths; `half` has half of them in UNets and VAE, so that it runs faster."""
