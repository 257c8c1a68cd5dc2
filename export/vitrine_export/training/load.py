"""Reads trained nets from a checkpoint folder, in float32, to train them further."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from vitrine_export.nets import load_released_state_dict
from vitrine_export.training.save import DIFFUSERS_FILE, TRANSFORMERS_FILE
from vitrine_export.training.tryon import Nets


def load_nets(folder: Path) -> tuple[Nets, AutoencoderKL]:
    """Return the nets that `save.save_nets` wrote into `folder`.

    Raises ValueError or RuntimeError, with the keys, if they do not have the recipe's sizes.
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
    """Return the tensors of a file, floating-point ones as float32."""
    return {name: t.float() if t.is_floating_point() else t for name, t in load_file(path).items()}
