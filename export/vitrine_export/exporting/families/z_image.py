"""The export of Z-Image: its recipes, and the facts of its manifests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from vitrine_orchestrator.stages.z_image import FAMILY
from vitrine_orchestrator.z_image.facts import TOKENIZER, TRANSFORMER

from vitrine_export.checkpoint.ad_layout import Z_IMAGE_PROMPT_TOKENS
from vitrine_export.checkpoint.ads import AdCheckpoint
from vitrine_export.exporting.families.pictures import open_folder, picture_facts, recognising
from vitrine_export.exporting.families.table import FamilyExport
from vitrine_export.exporting.recipes import Recipe, traced

if TYPE_CHECKING:
    from vitrine_export.nets.z_image import ZImageNet

RECIPES = (
    Recipe("prepare_prompt", make="z_image:write_tokenizer", files=(TOKENIZER,)),
    traced("z_image_text_encoder", "z_image:text_encoder", "text_encoder"),
    traced("z_image_vae_encoder", "picture_vae:encoder", "vae"),
    traced("z_image_vae_decoder", "picture_vae:decoder", "vae"),
    Recipe(
        "denoise",
        make="stage_files:traced",
        files=(TRANSFORMER,),
        networks="z_image:transformer",
        needs=("transformer",),
    ),
)
"""Recipes in the order of work."""


def facts(checkpoint: AdCheckpoint, tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ZImageFacts, which the picture pipelines read."""
    net = _transformer(checkpoint)
    positions, rows, columns = net.config.axes_lens
    return picture_facts(checkpoint, rows, columns, net.sites) | {
        "caption_width": net.config.cap_feat_dim,
        "caption_positions": positions,
        "prompt_tokens": Z_IMAGE_PROMPT_TOKENS,
        "prompt_before": tokens.get("prompt_before", ""),
        "prompt_after": tokens.get("prompt_after", ""),
    }


@cache
def _transformer(checkpoint: AdCheckpoint) -> ZImageNet:
    """Return the transformer without its weights; every manifest of an export needs its sizes."""
    from vitrine_export.nets.z_image import ZImageNet  # torch takes seconds to import

    net = checkpoint.empty("transformer")
    assert isinstance(net, ZImageNet)
    return net


EXPORT = FamilyExport(
    FAMILY, recognises=recognising("ZImage"), open=open_folder, facts=facts, recipes=RECIPES
)
