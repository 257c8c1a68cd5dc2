"""Training of the styles: a LoRA each on the trained generator, whose own weights stay as they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils.rnn import pad_sequence
from vitrine_world import shop

from vitrine_export.checkpoint.ads import AdCheckpoint, open_ads
from vitrine_export.lora.command import register
from vitrine_export.lora.file import read_adapter
from vitrine_export.nets.dit.lora_rows import RowLora, Sites
from vitrine_export.nets.z_image import ZImageNet
from vitrine_export.training.files import write_weights
from vitrine_export.training.loop import autocast, device, fit
from vitrine_export.training.shop.generator import KOREAN, PRODUCT_WEIGHT, answer, noised
from vitrine_export.training.shop.recipe import PLANS, SEED, SETTINGS, STYLE_RANK, STYLED
from vitrine_export.training.shop.save import LORAS_FOLDER
from vitrine_export.training.shop.scenes import Scenes, encoded
from vitrine_export.training.shop.words import framed, tokenizer

NAMES = tuple(name for name in shop.STYLES if name != "plain")
"""The styles that are trained; "plain" is the generator's own."""
ENCODED = 64
"""Prompts of one call of the text encoder."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Clean latents (R, 16, h, w), weights of their error (R, 1, h, w), captions (n, width) of each row."""

    latents: Tensor
    weight: Tensor
    captions: list[Tensor]


class Terms(nn.Module):
    """The terms of all linears of a net, side by side: down (rank, inputs), up (rank, outputs)."""

    def __init__(self, sites: Sites, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, sites.inputs))
        self.up = nn.Parameter(torch.zeros(rank, sites.outputs))
        for linear in sites.linears.values():
            nn.init.normal_(self.down.data[:, linear.inputs], std=linear.in_features**-0.5)

    @property
    def lora(self) -> RowLora:
        """The adapter, for all rows of a batch."""
        return RowLora(self.down, self.up)


def train_styles(checkpoint: Path, state: Path) -> None:
    """Train each style on the generator in `checkpoint` and write it into the folder's registry of LoRAs.

    The card names the digest of the whole checkpoint, so that VAE and generator must be the final ones.
    Raises BadCheckpoint for a folder without them.
    """
    read = open_ads(checkpoint)
    read.verify()
    for name in NAMES:
        save_style(name, train_style(name, read, state), read, state)


def train_style(name: str, read: AdCheckpoint, state: Path) -> Terms:
    """Train one style; `state` keeps what is drawn, and where the training stands."""
    data = encoded(_codec(read), state, STYLED, suffix=f"_{name}", style=name)
    captions = {language: _captions(read, data, name, language) for language in shop.LANGUAGES}
    net = read.load("transformer").to(device()).eval().requires_grad_(False)
    assert isinstance(net, ZImageNet)
    torch.manual_seed(0)
    terms = Terms(net.sites, STYLE_RANK)
    batches = partial(_batches, data, captions)
    fit(f"shop_style_{name}", terms, partial(loss_of, net, terms), batches, PLANS["shop_style"], state)
    return terms


def loss_of(net: ZImageNet, terms: Terms, batch: Batch, step: int) -> Tensor:
    """The squared error of the clean latents that the velocity means; the product's count most.

    An error of the velocity at σ is one of the clean latents times σ. The generator takes what is new in a
    style for noise, so its own loss would be large at small σ, where no picture begins, and drown the rest.
    """
    weight, (noisy, sigmas, velocity) = batch.weight.to(device()), noised(batch.latents, step)
    captions = [one.to(device()) for one in batch.captions]
    with autocast(), sdpa_kernel(SDPBackend.MATH):
        made = answer(net, noisy, sigmas, captions, terms.lora)
    wrong = sigmas[:, None, None, None] * (made.float() - velocity)
    return (weight * wrong.square()).mean() / weight.mean()


def save_style(name: str, terms: Terms, read: AdCheckpoint, state: Path) -> None:
    """Write the folder NAME of the checkpoint's registry, and into `state` shop_NAME.safetensors.

    The file has the keys of PEFT and float16, as people share LoRAs; the registry is filled from it.
    """
    folder, sites = read.folder / LORAS_FOLDER, terms_of(read)
    path = state / f"shop_{name}.safetensors"
    tensors = {}
    for linear, part in sites.linears.items():
        tensors[f"transformer.{linear}.lora_A.weight"] = terms.down.detach()[:, part.inputs]
        tensors[f"transformer.{linear}.lora_B.weight"] = terms.up.detach()[:, part.outputs].T
    write_weights(tensors, path)
    register(
        read_adapter(path, sites),
        sites,
        folder / name,
        family=read.family,
        base=read.digest(),
        licence=SETTINGS["license"],
        trigger_words=tuple(getattr(shop.STYLES[name], language) for language in shop.LANGUAGES),
    )


def terms_of(read: AdCheckpoint) -> Sites:
    """Return the linears that a LoRA of the checkpoint's transformer changes."""
    net = read.empty("transformer")
    assert isinstance(net, ZImageNet)
    return net.sites


def batch_of(data: Scenes, captions: dict[str, Sequence[Tensor]], step: int, size: int) -> Batch:
    """A step's batch, always the same: random rows of the set, each with a prompt in one language."""
    rng = np.random.default_rng([SEED, 6, step])
    rows = rng.integers(len(data.facts), size=size)
    languages = np.where(rng.random(size) < KOREAN, "korean", "english")
    weight = 1.0 + (PRODUCT_WEIGHT - 1.0) * data.product[rows]
    said = [captions[language][row] for language, row in zip(languages, rows, strict=True)]
    return Batch(data.latents[rows], weight, said)


def _batches(data: Scenes, captions: dict[str, Sequence[Tensor]], first: int) -> Iterator[Batch]:
    plan = PLANS["shop_style"]
    return (batch_of(data, captions, step, plan.batch) for step in range(first, plan.steps))


def _codec(read: AdCheckpoint) -> AutoencoderKL:
    codec = read.load("vae").to(device(), memory_format=torch.channels_last)
    assert isinstance(codec, AutoencoderKL)
    return codec


@torch.no_grad()
def _captions(read: AdCheckpoint, data: Scenes, style: str, language: str) -> list[Tensor]:
    """Encode the prompts of a set, with the style's words first, by the checkpoint's text encoder."""
    encoder, words = read.load("text_encoder").eval(), tokenizer()
    texts = [framed(text) for text in data.prompts(language, style)]
    ids = [torch.tensor(found) for found in words(texts, add_special_tokens=False)["input_ids"]]
    parts = [ids[start : start + ENCODED] for start in range(0, len(ids), ENCODED)]
    features = [row for part in parts for row in encoder(pad_sequence(part, batch_first=True))]
    return [row[: len(found)] for row, found in zip(features, ids, strict=True)]
