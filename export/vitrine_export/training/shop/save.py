"""The shop's trained networks as files of a checkpoint folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file
from vitrine_orchestrator.images.clip import MEAN, STD
from vitrine_orchestrator.stages.clip import SIDE
from vitrine_world import shop

from vitrine_export.checkpoint.clip import BICUBIC, PREPROCESSOR
from vitrine_export.errors import BadCheckpoint
from vitrine_export.shop_nets import Checker
from vitrine_export.training.files import write_json, write_onnx, write_weights
from vitrine_export.training.shop.recipe import MODEL_INDEX, SCHEDULER, SETTINGS, TRANSFORMER_CONFIG
from vitrine_export.training.shop.words import tokenizer
from vitrine_export.training.tokenizers import END, write_tokenizer

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from transformers import CLIPModel

    from vitrine_export.training.shop.generator import Generator

CHECKER_FILE = Path("checker") / "model.safetensors"
CUT_OUT_FILE = Path("cut_out") / "u2net.onnx"
CLIP_FOLDER, LORAS_FOLDER = "clip", "loras"
DIFFUSERS_FILE, TRANSFORMERS_FILE = "diffusion_pytorch_model.safetensors", "model.safetensors"


def save_vae(vae: AutoencoderKL, folder: Path) -> None:
    """Write the VAE in float16."""
    write_weights(vae.state_dict(), folder / "vae" / DIFFUSERS_FILE)
    vae.save_config(folder / "vae")


def save_generator(net: Generator, folder: Path) -> None:
    """Write transformer and text encoder in bfloat16, tokenizer, scheduler and settings."""
    write_weights(net.transformer.state_dict(), folder / "transformer" / DIFFUSERS_FILE, torch.bfloat16)
    write_json(TRANSFORMER_CONFIG, folder / "transformer" / "config.json")
    encoder = net.text_encoder
    write_weights(encoder.state_dict(), folder / "text_encoder" / TRANSFORMERS_FILE, torch.bfloat16)
    encoder.config.architectures = [type(encoder).__name__]
    encoder.config.save_pretrained(folder / "text_encoder")
    tokenizer().save_pretrained(folder / "tokenizer")
    write_json(SCHEDULER, folder / "scheduler" / "scheduler_config.json")
    write_json(MODEL_INDEX, folder / "model_index.json")
    write_json(SETTINGS, folder / "vitrine.json")


def save_checker(net: Checker, folder: Path) -> None:
    """Write the checker in float16."""
    write_weights(net.state_dict(), folder / CHECKER_FILE)


def open_checker(folder: Path) -> Checker:
    """Load a folder's checker, in float32. Raises BadCheckpoint if it is missing or damaged."""
    path = folder / CHECKER_FILE
    if not path.exists():
        raise BadCheckpoint(f"{path} must hold the checker; vitrine-export train --stages shop_checkers")
    net = Checker()
    try:
        net.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise BadCheckpoint(f"{path} must hold the weights of a Checker: {error}") from error
    return net.eval()


def save_cut_out(net: torch.nn.Module, folder: Path) -> None:
    """Write U²-Net as ONNX in the released file's form: normalised pictures in, the fused alpha out."""
    sample = torch.zeros(2, 3, shop.SIZE, shop.SIZE)
    write_onnx(Fused(net), sample, folder / CUT_OUT_FILE, "input.1", ["alpha"])


def cut_out_file(folder: Path) -> Path:
    """Return the path of a folder's U²-Net. Raises BadCheckpoint if it is missing."""
    path = folder / CUT_OUT_FILE
    if not path.exists():
        raise BadCheckpoint(f"{path} must hold U²-Net; vitrine-export train --stages shop_cut_out")
    return path


def save_clip(net: CLIPModel, folder: Path) -> None:
    """Write both towers in float16, the tokenizer, and how pictures are prepared."""
    from vitrine_export.training.shop.clip import known_words

    place = folder / CLIP_FOLDER
    write_weights(net.state_dict(), place / TRANSFORMERS_FILE)
    net.config.architectures = [type(net).__name__]
    net.config.save_pretrained(place)
    write_tokenizer(place, END, known_words())
    write_json(PREPARED, place / PREPROCESSOR)
    write_json({"model": "paper-shop-clip"}, place / "vitrine.json")


PREPARED = {
    "image_processor_type": "CLIPImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": SIDE},
    "resample": BICUBIC,
    "do_center_crop": True,
    "crop_size": {"height": SIDE, "width": SIDE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "do_convert_rgb": True,
    "image_mean": [round(float(value), 8) for value in MEAN],
    "image_std": [round(float(value), 8) for value in STD],
}
"""clip/preprocessor_config.json: CLIP's own preparation."""


class Fused(torch.nn.Module):
    """U²-Net with its first answer only."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.net(picture)[0]
