"""FLUX.1's rows of the stage table: its networks, and its inputs of `denoise`."""

from __future__ import annotations

from vitrine_orchestrator.stages.picture_tensors import CAPTION, LATENTS, LORAS, PIXELS, START
from vitrine_orchestrator.stages.table import Network, Size, Stage, Tensor, of_family

FAMILY = "flux"
CLIP_TOKENS = 77

# schnell's prompts have 256 tokens and dev's 512, padding included.
TEXT_TOKENS = Size("text_tokens", least=256, small=512, usual=512, most=512)

PROMPT_CONDITIONING = (CAPTION, Tensor("pooled", "FP32", (-1,)))
DENOISE_INPUTS = (*PROMPT_CONDITIONING, *START, *LORAS)

ROWS = of_family(
    FAMILY,
    Stage(
        "flux_text_encoder",
        (Tensor("input_ids", "INT64", (CLIP_TOKENS,)),),
        (Tensor("pooled", "FP32", (-1,)),),
        runs=Network(max_batch=8),
    ),
    Stage(
        "flux_text_encoder_2",
        (Tensor("input_ids", "INT64", (TEXT_TOKENS,)),),
        (Tensor("features", "FP32", (-1, -1)),),
        runs=Network(max_batch=4),
    ),
    Stage(
        "flux_vae_encoder",
        (PIXELS,),
        (Tensor("latents", "FP32", (16, -1, -1)),),
        runs=Network(max_batch=4),
    ),
    Stage(
        "flux_vae_decoder",
        (LATENTS,),
        (Tensor("pixels", "FP32", (3, -1, -1)),),
        runs=Network(max_batch=4, in_turn=True),
    ),
)
