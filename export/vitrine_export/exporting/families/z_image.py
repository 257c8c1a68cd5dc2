"""The export of Z-Image: its recipes, and the facts of its manifests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_orchestrator.z_image.facts import PATCH, TOKENIZER, TRANSFORMER

from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.checkpoint.ads import INDEX, AdCheckpoint, open_ads
from vitrine_export.checkpoint.layout import SETTINGS_FILE, read_json
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.families.table import FamilyExport
from vitrine_export.exporting.recipes import Recipe, traced

if TYPE_CHECKING:
    from vitrine_export.nets.z_image import ZImageNet

PROMPT_TOKENS = 512
"""The most tokens of a prompt in the released pipeline (max_sequence_length)."""

RECIPES = (
    Recipe("prepare_prompt", make="z_image:write_tokenizer", files=(TOKENIZER,)),
    traced("z_image_text_encoder", "z_image:text_encoder", "text_encoder"),
    traced("z_image_vae_encoder", "z_image:vae_encoder", "vae"),
    traced("z_image_vae_decoder", "z_image:vae_decoder", "vae"),
    Recipe(
        "denoise",
        make="stage_files:traced",
        files=(TRANSFORMER,),
        networks="z_image:transformer",
        needs=("transformer",),
    ),
)
"""Recipes in the order of work."""


def recognises(folder: Path) -> bool:
    """Return whether the folder's model_index.json names a pipeline of Z-Image."""
    try:
        named = read_json(folder / INDEX, INDEX).get("_class_name", "")
    except BadCheckpoint:
        return False
    return str(named).startswith("ZImage")


def open_folder(folder: Path, unet: Path | None = None) -> AdCheckpoint:
    """Open the checkpoint; BadCheckpoint for a missing part, and for a replaced UNet, which it has not."""
    if unet is not None:
        raise BadCheckpoint("--unet does not go with a Z-Image checkpoint: it has no unet/")
    return open_ads(folder)


def facts(checkpoint: AdCheckpoint, tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ZImageFacts, which the picture pipelines read."""
    net = _transformer(checkpoint)
    positions, rows, columns = net.config.axes_lens
    vae, settings = checkpoint.config("vae"), checkpoint.settings
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    _check_size("width", settings.width, factor * PATCH, columns)
    _check_size("height", settings.height, factor * PATCH, rows)
    return {
        "width": settings.width,
        "height": settings.height,
        "channels": net.config.in_channels,
        "factor": factor,
        "caption_width": net.config.cap_feat_dim,
        "caption_positions": positions,
        "rows": rows,
        "columns": columns,
        "prompt_tokens": PROMPT_TOKENS,
        "prompt_before": tokens.get("prompt_before", ""),
        "prompt_after": tokens.get("prompt_after", ""),
        "default_steps": settings.default_steps,
        "default_guidance": settings.default_guidance,
        "scheduler": checkpoint.scheduler,
        "lora_rank": LORA_RANK,
        "lora_inputs": net.sites.inputs,
        "lora_outputs": net.sites.outputs,
    }


def _check_size(name: str, side: int, unit: int, most: int) -> None:
    if side % unit or side > unit * most:
        raise BadCheckpoint(
            f"{SETTINGS_FILE}: picture.{name} must be a multiple of {unit} up to {unit * most}, got {side}"
        )


@cache
def _transformer(checkpoint: AdCheckpoint) -> ZImageNet:
    """Return the transformer without its weights; every manifest of an export needs its sizes."""
    from vitrine_export.nets.z_image import ZImageNet  # torch takes seconds to import

    net = checkpoint.empty("transformer")
    assert isinstance(net, ZImageNet)
    return net


EXPORT = FamilyExport(FAMILY, recognises=recognises, open=open_folder, facts=facts, recipes=RECIPES)
