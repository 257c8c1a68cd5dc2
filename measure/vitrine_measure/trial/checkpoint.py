"""Writes a checkpoint with random float32 weights in the released layout, with unet/ as .bin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)
from vitrine_export.nets import build_garment, build_tryon, released_state_dict
from vitrine_export.nets.random_weights import filled
from vitrine_export.nets.released import SCHEDULER

from vitrine_measure.trial.sizes import BIG_G_WIDTH, CLIP_L_WIDTH, TrialSize

COPIED = ("tokenizer", "tokenizer_2", "densepose", "humanparsing", "openpose")
"""Folders copied from another checkpoint, because random person networks would find no person to repaint."""

UNET_WEIGHTS = "diffusion_pytorch_model"


def write_checkpoint(folder: Path, size: TrialSize, source: Path, picture: tuple[int, int]) -> None:
    """Write a whole checkpoint into `folder`; the COPIED folders come from the checkpoint `source`.

    `picture` is the (width, height) in pixels of the checkpoint's pictures.
    """
    for part in COPIED:
        shutil.copytree(source / part, folder / part, dirs_exist_ok=True)
    _write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    settings = {"picture": {"width": picture[0], "height": picture[1]}}
    _write_json(folder / "vitrine.json", settings)
    _write_unets(folder, size)
    _write_others(folder, size)


def _write_unets(folder: Path, size: TrialSize) -> None:
    """Write TryonNet as a pickle of tensors and GarmentNet as safetensors, as in the released checkpoint."""
    tryon = _random(lambda: build_tryon(size.tryon()), seed=0)
    _write_json(folder / "unet" / "config.json", size.tryon())
    torch.save(released_state_dict(tryon), folder / "unet" / f"{UNET_WEIGHTS}.bin")
    del tryon
    garment = _random(lambda: build_garment(size.garment()), seed=1)
    _write_json(folder / "unet_encoder" / "config.json", size.garment())
    _write_tensors(
        folder / "unet_encoder" / f"{UNET_WEIGHTS}.safetensors", dict(released_state_dict(garment))
    )


def _write_others(folder: Path, size: TrialSize) -> None:
    """Write the VAE and the CLIP encoders with the random weights that their own classes draw."""
    torch.manual_seed(2)
    vae = AutoencoderKL(**{key: value for key, value in size.vae().items() if not key.startswith("_")})
    _write_json(folder / "vae" / "config.json", size.vae())
    _write_tensors(folder / "vae" / f"{UNET_WEIGHTS}.safetensors", vae.state_dict())
    text, text_2 = (CLIPTextConfig(**size.text(width)) for width in (CLIP_L_WIDTH, BIG_G_WIDTH))
    models = {
        "text_encoder": lambda: CLIPTextModel(text),
        "text_encoder_2": lambda: CLIPTextModelWithProjection(text_2),
        "image_encoder": lambda: CLIPVisionModelWithProjection(CLIPVisionConfig(**size.vision())),
    }
    for part, build in models.items():
        model = build()
        _write_json(folder / part / "config.json", model.config.to_dict())
        _write_tensors(folder / part / "model.safetensors", model.state_dict())


def _random(build: Any, seed: int) -> Any:
    """Return the net that `build` makes, with values drawn from a seed."""
    with torch.device("meta"):
        net: nn.Module = build()
    return filled(net, seed)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def _write_tensors(path: Path, state: dict[str, Tensor]) -> None:
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, metadata={"format": "pt"})
