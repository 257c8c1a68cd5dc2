"""Z-Image's rows of the stage table: networks, prompts, pipelines, and its inputs of `denoise`."""

from __future__ import annotations

from vitrine_orchestrator.stages.shared import ENCODING, REPORT, SAMPLING
from vitrine_orchestrator.stages.table import (
    Network,
    Queue,
    Service,
    Size,
    Stage,
    Tensor,
    of_family,
    optional,
)

FAMILY = "z-image"

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
TOKENS = Tensor("input_ids", "INT64", (Size("prompt_tokens", least=1, small=24, usual=64, most=512),))

LORAS = (Tensor("lora", "STRING", (-1,)), Tensor("lora_weight", "FP32", (-1,)))
DENOISE_INPUTS = (
    Tensor("caption", "FP32", (-1, -1)),
    Tensor("negative_caption", "FP32", (-1, -1)),
    Tensor("size", "INT32", (2,)),
    Tensor("start_latents", "FP32", (16, -1, -1)),
    Tensor("strength", "FP32", (1,)),
    *LORAS,
)
PICTURE_INPUTS = optional(
    Tensor("prompt", "STRING", (1,)),
    Tensor("negative_prompt", "STRING", (1,)),
    Tensor("width", "INT32", (1,)),
    Tensor("height", "INT32", (1,)),
    Tensor("aspect_ratio", "STRING", (1,)),
    *SAMPLING,
    *LORAS,
    Tensor("format", "STRING", (1,)),
    ENCODING,
)
START_INPUTS = optional(
    Tensor("image", "STRING", (1,)),
    Tensor("image_raw", "UINT8", (-1, -1, 3)),
    Tensor("strength", "FP32", (1,)),
)
PICTURE_OUTPUTS = (Tensor("image", "STRING", (1,)), Tensor("seed", "UINT64", (1,)), REPORT)
MAX_ACTIVE, MAX_QUEUED = 16, 32
"""Pictures running and waiting in each pipeline."""

ROWS = of_family(
    FAMILY,
    Stage(
        "z_image_text_encoder",
        (TOKENS,),
        (Tensor("features", "FP32", (-1, -1)),),
        runs=Network(max_batch=8),
    ),
    Stage(
        "z_image_vae_encoder",
        (PIXELS,),
        (Tensor("latents", "FP32", (16, -1, -1)),),
        runs=Network(max_batch=4),
    ),
    Stage(
        "z_image_vae_decoder",
        (LATENTS,),
        (Tensor("pixels", "FP32", (3, -1, -1)),),
        runs=Network(max_batch=4, in_turn=True),
    ),
    Stage(
        "prepare_prompt",
        (Tensor("prompt", "STRING", (1,)),),
        (Tensor("caption", "FP32", (-1, -1)), REPORT),
        runs=Service(in_flight=32),
        on_gpu=False,
    ),
)
PIPELINES = of_family(
    FAMILY,
    Stage(
        "text_to_image",
        PICTURE_INPUTS,
        PICTURE_OUTPUTS,
        queue=Queue(size=MAX_QUEUED),
        runs=Service(in_flight=MAX_ACTIVE),
        on_gpu=False,
    ),
    Stage(
        "image_to_image",
        (*PICTURE_INPUTS, *START_INPUTS),
        PICTURE_OUTPUTS,
        queue=Queue(size=MAX_QUEUED),
        runs=Service(in_flight=MAX_ACTIVE),
        on_gpu=False,
    ),
)
