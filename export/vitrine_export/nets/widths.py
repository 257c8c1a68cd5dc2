"""Reads the widths of a pair of nets."""

from vitrine_export.job_inputs import Widths
from vitrine_export.nets.tryon_unet import TryonNet

TIME_IDS = 6


def widths(tryon: TryonNet) -> Widths:
    """The widths of `tryon`, which its GarmentNet shares."""
    config = tryon.unet.config
    time_width = TIME_IDS * config.addition_time_embed_dim
    return Widths(
        latents=config.out_channels,
        context=config.cross_attention_dim,
        pooled=config.projection_class_embeddings_input_dim - time_width,
        image_tokens=tryon.unet.encoder_hid_proj.shape.queries,
    )
