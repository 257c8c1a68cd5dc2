"""Z-Image's rows of the stage table: its networks, and its inputs of `denoise`."""

from __future__ import annotations

from vitrine_orchestrator.stages.picture_tensors import CAPTION, LATENTS, LORAS, PIXELS, START
from vitrine_orchestrator.stages.table import Network, Size, Stage, Tensor, of_family

FAMILY = "z-image"

TOKENS = Tensor("input_ids", "INT64", (Size("prompt_tokens", least=1, small=24, usual=64, most=512),))

PROMPT_CONDITIONING = (CAPTION,)
DENOISE_INPUTS = (*PROMPT_CONDITIONING, Tensor("negative_caption", "FP32", (-1, -1)), *START, *LORAS)

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
)
