"""Recognises the kind of model in a folder from its configs. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRY_ON = "IDM-VTON"
Z_IMAGE, FLUX = "Z-Image", "FLUX.1"
PICTURES = (Z_IMAGE, FLUX)
CLIP = "CLIP"
TRANSFORMERS = {
    "FluxPipeline": "FluxTransformer2DModel",
    "FluxImg2ImgPipeline": "FluxTransformer2DModel",
    "ZImagePipeline": "ZImageTransformer2DModel",
    "ZImageImg2ImgPipeline": "ZImageTransformer2DModel",
    "StableDiffusion3Pipeline": "SD3Transformer2DModel",
}
"""The transformer's class by the pipeline's, where transformer/config.json does not say it."""

EXPORTED = (TRY_ON, *PICTURES, CLIP)
"""The kinds whose layouts can be exported."""


@dataclass(frozen=True)
class Clues:
    """Config values that distinguish kinds of models; None if a folder lacks the value."""

    pipeline: str | None = None  # model_index.json
    transformer: str | None = None  # class in transformer/config.json
    channels: int | None = None  # in_channels of unet/config.json
    context: int | None = None  # cross_attention_dim of unet/config.json
    only_unet: bool | None = None
    single_file: bool | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of model, with the reason why it cannot be exported; "" for the kinds that can."""

    name: str
    why: str = ""


WANTED = (
    "IDM-VTON's has 13 channels (latents, mask, masked picture, body parts), image tokens and a second UNet"
)
ROWS: tuple[tuple[Clues, Kind], ...] = (
    (
        Clues(only_unet=True, channels=13),
        Kind(
            "the UNet of IDM-VTON alone (as yisol/IDM-VTON-DC)",
            "all other parts are missing: give this folder as --unet and yisol/IDM-VTON as --checkpoint",
        ),
    ),
    (Clues(channels=13), Kind(TRY_ON)),
    (
        Clues(channels=9, context=2048),
        Kind(
            "an SDXL inpainting pipeline",
            f"its UNet takes 9 channels (latents, mask, masked picture); {WANTED}",
        ),
    ),
    (Clues(channels=4, context=2048), Kind("an SDXL pipeline", f"its UNet takes 4 channels; {WANTED}")),
    (
        Clues(channels=9, context=768),
        Kind(
            "a Stable Diffusion 1.5 inpainting pipeline",
            f"its UNet is another one and takes 9 channels; {WANTED}",
        ),
    ),
    (
        Clues(context=768),
        Kind("a Stable Diffusion 1.x pipeline", f"its UNet and its one text encoder are others; {WANTED}"),
    ),
    (
        Clues(context=1024),
        Kind("a Stable Diffusion 2.x pipeline", f"its UNet and its one text encoder are others; {WANTED}"),
    ),
    (Clues(transformer="FluxTransformer2DModel"), Kind(FLUX)),
    (
        Clues(transformer="SD3Transformer2DModel"),
        Kind("a Stable Diffusion 3 pipeline", "it denoises with a transformer, not with UNets"),
    ),
    (Clues(transformer="ZImageTransformer2DModel"), Kind(Z_IMAGE)),
    (
        Clues(single_file=True),
        Kind(
            "a single file of weights (as for ComfyUI or the web UI)",
            "the layout of folders with config.json files is needed, as in yisol/IDM-VTON",
        ),
    ),
)
"""A row matches a folder that has every clue of the row; the first match counts."""


def kind_of(folder: Path, unet: Path) -> Kind:
    """Return the kind of model in a folder; `unet` is the path of its unet/."""
    clues = _clues(folder, unet)
    for wanted, kind in ROWS:
        if all(value is None or getattr(clues, name) == value for name, value in vars(wanted).items()):
            return kind
    named = clues.pipeline or clues.transformer
    if named:
        return Kind(f"a {named}", f"it is another kind of model; {WANTED}")
    return Kind("of unknown kind", "neither model_index.json nor unet/config.json says what it is")


def _clues(folder: Path, unet: Path) -> Clues:
    config, transformer = _json(unet / "config.json"), _json(folder / "transformer" / "config.json")
    pipeline = _json(folder / "model_index.json").get("_class_name")
    folders = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")}
    return Clues(
        pipeline=pipeline,
        transformer=transformer.get("_class_name") or TRANSFORMERS.get(str(pipeline)),
        channels=config.get("in_channels"),
        context=_number(config.get("cross_attention_dim")),
        only_unet=unet.is_dir() and folders <= {"unet"},
        single_file=not folders and any(folder.glob("[!.]*.safetensors")),
    )


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _json(path: Path) -> dict[str, Any]:
    """Return a config, or {} if it cannot be read, which the check reports elsewhere."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
