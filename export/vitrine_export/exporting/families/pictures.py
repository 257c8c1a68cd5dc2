"""What the families of advertising pictures have in common: recognising a folder, opening it, sizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrine.errors import BadRequest
from vitrine_orchestrator.drawing.facts import PATCH, check_size
from vitrine_orchestrator.images.latent_tiles import FACTOR

from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.checkpoint.ads import INDEX, AdCheckpoint, open_ads
from vitrine_export.checkpoint.config_values import LATENT_CHANNELS, vae_factor, whole
from vitrine_export.checkpoint.layout import SETTINGS_FILE, read_json
from vitrine_export.checkpoint.scheduler_file import ensure_default_schedule
from vitrine_export.errors import BadCheckpoint

if TYPE_CHECKING:
    from vitrine_export.nets.dit.lora_rows import Sites


def recognising(prefix: str) -> Callable[[Path], bool]:
    """Return whether a folder's model_index.json names a pipeline whose class begins with `prefix`.

    Where that cannot be read, the class of the transformer says it: opening the folder then names the file.
    """

    def recognises(folder: Path) -> bool:
        named = _class(folder / INDEX) or _class(folder / "transformer" / "config.json")
        return named.startswith(prefix)

    return recognises


def _class(path: Path) -> str:
    """Return the class that a config names; "" where it cannot be read."""
    try:
        return str(read_json(path, path.name).get("_class_name") or "")
    except BadCheckpoint:
        return ""


def open_folder(folder: Path, unet: Path | None = None) -> AdCheckpoint:
    """Open the checkpoint; BadCheckpoint for a missing part, and for a replaced UNet, which it has not."""
    if unet is not None:
        raise BadCheckpoint(f"--unet does not go with the checkpoint {folder.name}: it has no unet/")
    return open_ads(folder)


def picture_facts(checkpoint: AdCheckpoint, rows: int, columns: int, sites: Sites) -> dict[str, Any]:
    """Return the fields of PictureFacts, except those of prompts.

    rows, columns: the most picture tokens above and next to each other. sites: of the transformer.
    BadCheckpoint for a usual size that the network cannot draw.
    """
    vae, settings = checkpoint.config("vae"), checkpoint.settings
    if (factor := vae_factor(vae)) != FACTOR:
        raise BadCheckpoint(
            f"vae/config.json: block_out_channels must have {FACTOR.bit_length()} levels, for {FACTOR} "
            f"pixels a latent pixel, got {factor.bit_length()}"
        )
    try:
        check_size(settings.width, settings.height, columns, rows, factor * PATCH)
    except BadRequest as error:
        raise BadCheckpoint(f"{SETTINGS_FILE}: picture.{error}") from error
    tokens = (settings.width * settings.height) // (factor * PATCH) ** 2
    ensure_default_schedule(checkpoint.scheduler, settings.default_steps, tokens)
    return {
        "width": settings.width,
        "height": settings.height,
        "channels": whole("vae", vae, "latent_channels", LATENT_CHANNELS),
        "factor": factor,
        "rows": rows,
        "columns": columns,
        "default_steps": settings.default_steps,
        "default_guidance": settings.default_guidance,
        "scheduler": checkpoint.scheduler,
        "lora_rank": LORA_RANK,
        "lora_inputs": sites.inputs,
        "lora_outputs": sites.outputs,
    }
