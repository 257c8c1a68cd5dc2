"""The export of IDM-VTON: its recipes, and the facts of its manifests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitrine_orchestrator.stages.idm_vton import FAMILY
from vitrine_orchestrator.try_on.denoise_request import LATENT_MULTIPLE, MOST_LATENT, is_denoised

from vitrine_export.checkpoint import Checkpoint, open_checkpoint
from vitrine_export.checkpoint.config_values import (
    IMAGE_SIZE,
    LATENT_CHANNELS,
    PROJECTION_DIM,
    vae_factor,
    whole,
)
from vitrine_export.checkpoint.folder import Settings
from vitrine_export.checkpoint.layout import SETTINGS_FILE
from vitrine_export.checkpoint.scheduler_file import ensure_default_schedule
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.families.table import FamilyExport
from vitrine_export.exporting.recipes import Recipe, adopted, traced

PROMPTS = {
    "person_prompt": "model is wearing {}",
    "garment_prompt": "a photo of {}",
    "negative_prompt": "monochrome, lowres, bad anatomy, worst quality, low quality",
}
"""The prompts of the released demo; {} is the caller's description."""

RELEASED_IMAGE_TOKENS = 16

UNET_COND = "unet_cond.onnx"
"""The graph of a step without guidance, written on request only: it contains a second copy of the weights."""

RECIPES = (
    Recipe("prepare_text", make="tokenizers:write_tokenizers", files=("tokenizer.json", "tokenizer_2.json")),
    traced("pose", "wrappers:pose", "pose"),
    adopted("parsing_atr", "parsing"),
    adopted("parsing_lip", "parsing"),
    adopted("densepose", "densepose"),
    traced("text_encoder", "wrappers:text_encoder", "text_encoder"),
    traced("text_encoder_2", "wrappers:text_encoder_2", "text_encoder_2"),
    traced("image_encoder", "wrappers:image_encoder", "image_encoder", "image_projection"),
    traced("vae_encoder", "wrappers:vae_encoder", "vae"),
    traced("vae_decoder", "wrappers:vae_decoder", "vae"),
    Recipe(
        "denoise",
        make="stage_files:traced",
        files=("garment.onnx", "conditioning.onnx", "unet.onnx"),
        optional=(UNET_COND,),
        networks="denoise:stage_networks",
        needs=("unet", "unet_encoder"),
        engine_rows=8,
    ),
)
"""Recipes in the order of work."""


def facts(checkpoint: Checkpoint, tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of TryOnFacts, which the try-on's models read; BadCheckpoint for a config without."""
    settings, config = checkpoint.settings, checkpoint.config
    given = config("unet").get("image_projection")
    projection: Mapping[str, Any] = given if isinstance(given, dict) else {}
    factor = vae_factor(config("vae"))
    _check_size(settings, factor)
    ensure_default_schedule(checkpoint.scheduler, settings.default_steps)
    return {
        "width": settings.width,
        "height": settings.height,
        "channels": whole("vae", config("vae"), "latent_channels", LATENT_CHANNELS),
        "factor": factor,
        "scheduler": checkpoint.scheduler,
        "context_width": whole("unet", config("unet"), "cross_attention_dim"),
        "pooled_width": whole("text_encoder_2", config("text_encoder_2"), "projection_dim", PROJECTION_DIM),
        "image_tokens": projection.get("num_queries", RELEASED_IMAGE_TOKENS),
        "image_size": whole("image_encoder", config("image_encoder"), "image_size", IMAGE_SIZE),
        "default_steps": settings.default_steps,
        "default_guidance": settings.default_guidance,
        **PROMPTS,
        "pad_ids": tokens.get("pad_ids", []),
    }


def _check_size(settings: Settings, factor: int) -> None:
    """Raise BadCheckpoint for a size at which no request could be served."""
    for name, side in (("width", settings.width), ("height", settings.height)):
        if side % factor or not is_denoised(side // factor):
            raise BadCheckpoint(
                f"{SETTINGS_FILE}: picture.{name} must be a multiple of {LATENT_MULTIPLE * factor} up to "
                f"{MOST_LATENT * factor}, got {side}"
            )


EXPORT = FamilyExport(
    FAMILY, recognises=lambda folder: True, open=open_checkpoint, facts=facts, recipes=RECIPES
)
