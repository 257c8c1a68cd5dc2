"""Trained nets read back from their checkpoint folder, in float32, to go on training them."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from vitrine_export.nets import load_released_state_dict
from vitrine_export.training.save import DIFFUSERS_FILE, TRANSFORMERS_FILE
from vitrine_export.training.tryon import Nets


def open_nets(folder: Path) -> tuple[Nets, AutoencoderKL]:
    """The nets that `save.save_nets` wrote into `folder`.

    Raises ValueError or RuntimeError, naming keys, where they are not of the recipe's sizes.
    """
    nets = Nets()
    for name in ("unet", "unet_encoder"):
        load_released_state_dict(getattr(nets, name), _weights(folder / name / DIFFUSERS_FILE))
    for name in ("text_encoder", "text_encoder_2", "image_encoder"):
        getattr(nets, name).load_state_dict(_weights(folder / name / TRANSFORMERS_FILE))
    nets.to(memory_format=torch.channels_last)
    vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder / "vae"))
    vae.load_state_dict(_weights(folder / "vae" / DIFFUSERS_FILE))
    return nets, vae.to(memory_format=torch.channels_last)


def _weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file, floating ones in float32."""
    return {name: t.float() if t.is_floating_point() else t for name, t in load_file(path).items()}
