"""The try-on's rows of the stage table."""

from __future__ import annotations

from vitrine_orchestrator.stages.shared import ENCODING, REPORT, SAMPLING
from vitrine_orchestrator.stages.table import Network, Queue, Service, Size, Stage, Tensor, optional

SIZES: dict[str, Size] = {
    "height": Size(64, 256, 1024, 1536),
    "width": Size(64, 192, 768, 1536),
    "latent_height": Size(8, 32, 128, 192),
    "latent_width": Size(8, 24, 96, 192),
    "pose_height": Size(64, 184, 184, 512),  # 512 · 0.5 · 368 / 512, a multiple of 8
    "pose_width": Size(64, 144, 144, 512),  # 384 · 0.5 · 368 / 512, padded to a multiple of 8
    "clip_height": Size(32, 224, 224, 448),
    "clip_width": Size(32, 224, 224, 448),
}


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
ONE_PERSON = (
    Tensor("person", "STRING", (1,)),
    Tensor("person_raw", "UINT8", (-1, -1, 3)),
    Tensor("person_id", "STRING", (1,)),
)
WHICH_PERSON = (Tensor("person_index", "INT32", (1,)), Tensor("person_point", "INT32", (2,)))
TRY_ON_INPUTS = optional(
    *ONE_PERSON,
    *WHICH_PERSON,
    Tensor("mask", "STRING", (-1,)),
    Tensor("garment", "STRING", (-1,)),
    Tensor("garment_raw", "UINT8", (-1, -1, 3)),
    Tensor("garment_id", "STRING", (-1,)),
    Tensor("category", "STRING", (-1,)),
    Tensor("description", "STRING", (-1,)),
    *SAMPLING,
    Tensor("paste_back", "BOOL", (1,)),
    Tensor("crop", "STRING", (1,)),
    Tensor("format", "STRING", (1,)),
    ENCODING,
)
TRY_ON_OUTPUTS = (
    Tensor("image", "STRING", (1,)),
    Tensor("mask", "STRING", (1,)),
    Tensor("seed", "UINT64", (1,)),
    REPORT,
)
LATENTS = Tensor("latents", "FP32", (4, "latent_height", "latent_width"))
PIXELS = Tensor("pixels", "FP32", (3, "height", "width"))
TOKENS = Tensor("input_ids", "INT64", (77,))

MAX_ACTIVE, MAX_QUEUED = 16, 32
"""Try-ons running and waiting. With higher limits, accepted requests would time out before their answer."""

ROWS: tuple[Stage, ...] = (
    Stage(
        "pose",
        (Tensor("image", "FP32", (3, "pose_height", "pose_width")),),
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
        (Tensor("pixel_values", "FP32", (3, "clip_height", "clip_width")),),
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
    Stage(
        "prepare_person",
        optional(
            *ONE_PERSON,
            *WHICH_PERSON,
            Tensor("mask", "STRING", (1,)),
            Tensor("category", "STRING", (1,)),
            Tensor("crop", "STRING", (1,)),
            ENCODING,
        ),
        (
            Tensor("image", "UINT8", (-1, -1, 3)),
            Tensor("mask", "UINT8", (-1, -1)),
            *PERSON_CONDITIONING,
            Tensor("keypoints", "FP32", (18, 3)),
            Tensor("person_key", "STRING", (1,)),
            REPORT,
        ),
        runs=Service(in_flight=16),
        on_gpu=False,
    ),
    Stage(
        "prepare_garment",
        optional(
            Tensor("garment", "STRING", (1,)),
            Tensor("garment_raw", "UINT8", (-1, -1, 3)),
            Tensor("garment_id", "STRING", (1,)),
            ENCODING,
        ),
        (*GARMENT_CONDITIONING, Tensor("garment_key", "STRING", (1,)), REPORT),
        runs=Service(in_flight=16),
        on_gpu=False,
    ),
    Stage(
        "prepare_text",
        (Tensor("description", "STRING", (1,)),),
        (*TEXT_CONDITIONING, Tensor("text_key", "STRING", (1,)), REPORT),
        runs=Service(in_flight=32),
        on_gpu=False,
    ),
    Stage(
        "denoise",
        optional(
            *PERSON_CONDITIONING,
            *GARMENT_CONDITIONING,
            *TEXT_CONDITIONING,
            Tensor("garment_key", "STRING", (1,)),
            *SAMPLING,
            Tensor("family", "STRING", (1,)),
            Tensor("job", "STRING", (1,)),
            Tensor("after_step", "INT32", (1,)),
            Tensor("cancel", "BOOL", (1,)),
        ),
        (Tensor("latents", "FP32", (4, -1, -1)), REPORT),
        runs=Service(in_flight=64),
    ),
    Stage(
        "try_on",
        TRY_ON_INPUTS,
        TRY_ON_OUTPUTS,
        queue=Queue(size=MAX_QUEUED),
        runs=Service(in_flight=MAX_ACTIVE),
        on_gpu=False,
    ),
    Stage(
        "try_on_stream",
        (*TRY_ON_INPUTS, Tensor("previews", "BOOL", (1,), optional=True)),
        (Tensor("event", "STRING", (1,)), *TRY_ON_OUTPUTS),
        queue=Queue(size=MAX_QUEUED),
        runs=Service(in_flight=MAX_ACTIVE, decoupled=True),
        on_gpu=False,
    ),
)
