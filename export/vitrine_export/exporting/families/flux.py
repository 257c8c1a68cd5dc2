"""The export of FLUX.1: its recipes, and the facts of its manifests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from vitrine_orchestrator.flux.facts import TOKENIZER, TOKENIZER_2, TRANSFORMER
from vitrine_orchestrator.stages.flux import FAMILY

from vitrine_export.checkpoint.ads import AdCheckpoint
from vitrine_export.checkpoint.config_values import CLIP_WIDTH, LATENT_CHANNELS, T5_WIDTH, whole
from vitrine_export.checkpoint.layout import SETTINGS_FILE
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.families.pictures import open_folder, picture_facts, recognising
from vitrine_export.exporting.families.table import FamilyExport
from vitrine_export.exporting.recipes import Recipe, traced

if TYPE_CHECKING:
    from vitrine_export.nets.flux import FluxNet

PROMPT_TOKENS = {True: 512, False: 256}
"""Tokens of a prompt with its padding, by whether guidance is embedded: dev's and schnell's."""

RECIPES = (
    Recipe("prepare_prompt", make="flux:write_tokenizers", files=(TOKENIZER, TOKENIZER_2)),
    traced("flux_text_encoder", "flux:text_encoder", "text_encoder"),
    traced("flux_text_encoder_2", "flux:text_encoder_2", "text_encoder_2"),
    traced("flux_vae_encoder", "picture_vae:encoder", "vae"),
    traced("flux_vae_decoder", "picture_vae:decoder", "vae"),
    Recipe(
        "denoise",
        make="stage_files:traced",
        files=(TRANSFORMER,),
        networks="flux:transformer",
        needs=("transformer",),
    ),
)
"""Recipes in the order of work."""


def facts(checkpoint: AdCheckpoint, tokens: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of FluxFacts, which the picture pipelines read."""
    from vitrine_export.nets.flux.config import POSITIONS

    net = _transformer(checkpoint)
    _check(checkpoint, net)
    pad_id, pad_id_2 = tokens.get("pad_ids", (0, 0))
    return picture_facts(checkpoint, POSITIONS, POSITIONS, net.sites) | {
        "caption_width": net.config.joint_attention_dim,
        "pooled_width": net.config.pooled_projection_dim,
        "prompt_tokens": PROMPT_TOKENS[net.config.guidance_embeds],
        "pad_id": pad_id,
        "pad_id_2": pad_id_2,
        "embedded_guidance": net.config.guidance_embeds,
    }


def _check(checkpoint: AdCheckpoint, net: FluxNet) -> None:
    """Raise BadCheckpoint for parts whose widths differ, and for guidance that the transformer lacks."""
    config = net.config

    def of(part: str, name: str, default: int) -> int:
        return whole(part, checkpoint.config(part), name, default)

    pooled, text = of("text_encoder", "hidden_size", CLIP_WIDTH), of("text_encoder_2", "d_model", T5_WIDTH)
    widths = (
        ("in_channels", config.in_channels, 4 * of("vae", "latent_channels", LATENT_CHANNELS)),
        ("joint_attention_dim", config.joint_attention_dim, text),
        ("pooled_projection_dim", config.pooled_projection_dim, pooled),
    )
    for name, given, wanted in widths:
        if given != wanted:
            raise BadCheckpoint(f"transformer/config.json: {name} must be {wanted}, got {given}")
    if (guidance := checkpoint.settings.default_guidance) and not config.guidance_embeds:
        raise BadCheckpoint(
            f"{SETTINGS_FILE}: default_guidance must be 0, since guidance_embeds is false, got {guidance:g}"
        )


@cache
def _transformer(checkpoint: AdCheckpoint) -> FluxNet:
    """Return the transformer without its weights; every manifest of an export needs its sizes."""
    from vitrine_export.nets.flux import FluxNet  # torch takes seconds to import

    net = checkpoint.empty("transformer")
    assert isinstance(net, FluxNet)
    return net


EXPORT = FamilyExport(FAMILY, recognises=recognising("Flux"), open=open_folder, facts=facts, recipes=RECIPES)
