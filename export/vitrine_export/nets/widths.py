"""The sizes of a pair of nets that no request changes."""

from dataclasses import dataclass

from vitrine_export.nets.tryon_unet import TryonNet

TIME_IDS = 6


@dataclass(frozen=True)
class Widths:
    """What the inputs of a pair's graphs are made with."""

    latents: int
    context: int
    pooled: int
    image_tokens: int


def widths(tryon: TryonNet) -> Widths:
    """Those of `tryon` and the GarmentNet that goes with it."""
    config = tryon.unet.config
    time_width = TIME_IDS * config.addition_time_embed_dim
    return Widths(
        latents=config.out_channels,
        context=config.cross_attention_dim,
        pooled=config.projection_class_embeddings_input_dim - time_width,
        image_tokens=tryon.unet.encoder_hid_proj.shape.queries,
    )
