"""Tensors of every family that draws pictures from prompts."""

from __future__ import annotations

from vitrine_orchestrator.stages.table import Size, Tensor

# A larger picture goes through the VAE in tiles of 1024 pixels a side: see images/latent_tiles.py.
PIXELS = Tensor(
    "pixels",
    "FP32",
    (
        3,
        Size("tile_height", least=16, small=128, usual=1024, most=1024),
        Size("tile_width", least=32, small=96, usual=1024, most=1024),
    ),
)
LATENTS = Tensor(
    "latents",
    "FP32",
    (
        16,
        Size("tile_latent_height", least=2, small=16, usual=128, most=128),
        Size("tile_latent_width", least=4, small=12, usual=128, most=128),
    ),
)
LORAS = (Tensor("lora", "STRING", (-1,)), Tensor("lora_weight", "FP32", (-1,)))
CAPTION = Tensor("caption", "FP32", (-1, -1))
START = (
    Tensor("size", "INT32", (2,)),
    Tensor("start_latents", "FP32", (16, -1, -1)),
    Tensor("strength", "FP32", (1,)),
)
