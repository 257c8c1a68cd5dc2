"""IDM-VTON's rows of the stage table: its networks, and what it adds to the shared models."""

from __future__ import annotations

from vitrine_orchestrator.stages.table import Network, Size, Stage, Tensor, of_family

FAMILY = "idm_vton"

HEIGHT = Size("height", least=64, small=256, usual=1024, most=1536)
WIDTH = Size("width", least=64, small=192, usual=768, most=1536)
LATENT_HEIGHT = Size("latent_height", least=8, small=32, usual=128, most=192)
LATENT_WIDTH = Size("latent_width", least=8, small=24, usual=96, most=192)
# 512 · 0.5 · 368 / 512, a multiple of 8; 384 · 0.5 · 368 / 512, padded to a multiple of 8
POSE_HEIGHT = Size("pose_height", least=64, small=184, usual=184, most=512)
POSE_WIDTH = Size("pose_width", least=64, small=144, usual=144, most=512)
CLIP_HEIGHT = Size("clip_height", least=32, small=224, usual=224, most=448)
CLIP_WIDTH = Size("clip_width", least=32, small=224, usual=224, most=448)


PERSON_CONDITIONING = (
    Tensor("mask_latent", "FP32", (1, -1, -1)),
    Tensor("masked_latents", "FP32", (4, -1, -1)),
    Tensor("pose_latents", "FP32", (4, -1, -1)),
)
GARMENT_CONDITIONING = (
    Tensor("garment_latents", "FP32", (4, -1, -1)),
    Tensor("image_tokens", "FP32", (-1, -1)),
    Tensor("negative_image_tokens", "FP32", (-1, -1)),
)
TEXT_CONDITIONING = (
    Tensor("prompt_embeds", "FP32", (77, -1)),
    Tensor("negative_prompt_embeds", "FP32", (77, -1)),
    Tensor("pooled_prompt_embeds", "FP32", (-1,)),
    Tensor("negative_pooled_prompt_embeds", "FP32", (-1,)),
    Tensor("garment_prompt_embeds", "FP32", (77, -1)),
)
DENOISE_INPUTS = (
    *PERSON_CONDITIONING,
    *GARMENT_CONDITIONING,
    *TEXT_CONDITIONING,
    Tensor("garment_key", "STRING", (1,)),
)
LATENTS = Tensor("latents", "FP32", (4, LATENT_HEIGHT, LATENT_WIDTH))
PIXELS = Tensor("pixels", "FP32", (3, HEIGHT, WIDTH))
TOKENS = Tensor("input_ids", "INT64", (77,))

ROWS = of_family(
    FAMILY,
    Stage(
        "pose",
        (Tensor("image", "FP32", (3, POSE_HEIGHT, POSE_WIDTH)),),
        (Tensor("pafs", "FP32", (38, -1, -1)), Tensor("heatmaps", "FP32", (19, -1, -1))),
        runs=Network(max_batch=8),
    ),
    Stage(
        "parsing_atr",
        (Tensor("image", "FP32", (3, 512, 512)),),
        (Tensor("logits", "FP32", (18, -1, -1)),),
        runs=Network(max_batch=8),
    ),
    Stage(
        "parsing_lip",
        (Tensor("image", "FP32", (3, 473, 473)),),
        (Tensor("logits", "FP32", (20, -1, -1)),),
        runs=Network(max_batch=8),
    ),
    Stage(
        "densepose",
        (Tensor("image", "UINT8", (512, 384, 3)),),
        (Tensor("parts", "UINT8", (512, 384)),),
        runs=Network(max_batch=8, tolerance=0.0),
    ),
    Stage(
        "text_encoder", (TOKENS,), (Tensor("hidden_states", "FP32", (77, -1)),), runs=Network(max_batch=24)
    ),
    Stage(
        "text_encoder_2",
        (TOKENS,),
        (Tensor("hidden_states", "FP32", (77, -1)), Tensor("pooled", "FP32", (-1,))),
        runs=Network(max_batch=24),
    ),
    Stage(
        "image_encoder",
        (Tensor("pixel_values", "FP32", (3, CLIP_HEIGHT, CLIP_WIDTH)),),
        (Tensor("image_tokens", "FP32", (-1, -1)),),
        runs=Network(max_batch=8),
    ),
    Stage(
        "vae_encoder",
        (PIXELS,),
        (Tensor("mean", "FP32", (4, -1, -1)), Tensor("std", "FP32", (4, -1, -1))),
        runs=Network(max_batch=8),
    ),
    Stage(
        "vae_decoder",
        (LATENTS,),
        (Tensor("pixels", "FP32", (3, -1, -1)),),
        runs=Network(max_batch=4, in_turn=True),
    ),
)
