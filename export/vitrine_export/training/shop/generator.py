"""Training of the shop's generator: Z-Image's transformer and the text encoder, together, on kept latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model
from vitrine_world import shop

from vitrine_export.nets.dit.lora_rows import RowLora
from vitrine_export.nets.z_image import ZImageConfig, ZImageNet, rows_of
from vitrine_export.training.loop import autocast, device, fit
from vitrine_export.training.muon import Both
from vitrine_export.training.shop.generator_start import start_as_passage
from vitrine_export.training.shop.recipe import PARTS, PLANS, SCHEDULER, SEED, TEXT, TRANSFORMER, Part
from vitrine_export.training.shop.scenes import Scenes
from vitrine_export.training.shop.words import framed, same_meaning, tokenizer

KOREAN = 0.2
"""The share of rows whose prompt is Korean."""
AT_NOISE = 0.3
"""The share of rows at pure noise, where every picture starts; of the others,"""
SHIFTED = 0.5
"""this share has σ as the sampler's steps, most near the noise; the rest is logit-normal."""
PRODUCT_WEIGHT = 3.0
"""How much the product's latents count, next to the others."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Clean latents (R, 16, h, w), weights of their error (R, 1, h, w), token ids (R, T), lengths (R,)."""

    latents: Tensor
    weight: Tensor
    ids: Tensor
    lengths: tuple[int, ...]


class Generator(nn.Module):
    """Transformer and text encoder, as one module to train."""

    def __init__(self, words: PreTrainedTokenizerFast) -> None:
        super().__init__()
        self.transformer = ZImageNet(ZImageConfig(**TRANSFORMER))
        self.text_encoder = Qwen3Model(Qwen3Config(vocab_size=len(words), **TEXT))
        start_as_passage(self.transformer)
        self._start_words(words)

    def forward(self, noisy: Tensor, sigmas: Tensor, ids: Tensor, lengths: tuple[int, ...]) -> Tensor:
        """Noisy latents (R, 16, h, w) at σ (R,) → the transformer's output as latents, clean minus noise."""
        captions = [row[:length] for row, length in zip(self.features(ids), lengths, strict=True)]
        return answer(self.transformer, noisy, sigmas, captions)

    def features(self, ids: Tensor) -> Tensor:
        """Token ids (R, T), padded on the right → the hidden states before the last layer (R, T, width)."""
        encoder = self.text_encoder
        hidden, places = encoder.embed_tokens(ids), torch.arange(ids.shape[1], device=ids.device)
        positions = encoder.rotary_emb(hidden, places[None])
        bias = torch.full((len(places), len(places)), torch.finfo(hidden.dtype).min / 2, device=ids.device)
        for layer in encoder.layers[:-1]:
            hidden = layer(hidden, attention_mask=bias.triu(1)[None, None], position_embeddings=positions)
        return hidden

    @torch.no_grad()
    def _start_words(self, words: PreTrainedTokenizerFast) -> None:
        """Start a Korean word as the English word of the same meaning; it is seen less often."""
        table = self.text_encoder.embed_tokens.weight
        nn.init.normal_(table, std=0.5)
        known = words.get_vocab()
        for korean, english in same_meaning().items():
            if korean in known and english in known:
                table[known[korean]] = table[known[english]]


def answer(
    net: ZImageNet, noisy: Tensor, sigmas: Tensor, captions: list[Tensor], lora: RowLora | None = None
) -> Tensor:
    """The transformer's output as latents (R, 16, h, w), for captions (n, width) and adapters by row."""
    made = net(*rows_of(noisy, captions).tensors, 1.0 - sigmas, lora=lora)
    tall, wide = (side // 2 for side in noisy.shape[-2:])
    parted = made.unflatten(-1, (2, 2, -1)).unflatten(1, (tall, wide))
    return parted.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


def train_generator(set_of: Callable[[Part], Scenes], folder: Path, until: int | None = None) -> Generator:
    """Train on the sets of all parts in turn, the last one until a step; `folder` keeps the state."""
    torch.manual_seed(0)
    words = tokenizer()
    net = Generator(words)
    for part in PARTS:
        end = until if part is PARTS[-1] else part.steps
        _train(f"shop_generator_{part.name}", net, words, set_of(part), folder, end)
    return net


def _train(
    phase: str, net: Generator, words: PreTrainedTokenizerFast, scenes: Scenes, folder: Path, end: int | None
) -> None:
    """Train in place for one phase."""
    ids = {language: _ids(words, scenes, language) for language in shop.LANGUAGES}
    batches = partial(_batches, phase, scenes, ids)
    fit(phase, net, partial(loss_of, net), batches, PLANS[phase], folder, optimiser, end)


def optimiser(net: nn.Module, lr: float) -> Both:
    """Muon for the blocks' matrices, AdamW for the rest; the text encoder's layers are blocks too."""
    parts = ("noise_refiner", "context_refiner", "layers")
    inside = (*(f"transformer.{part}" for part in parts), "text_encoder.layers")
    return Both(net, lr, inside, ("transformer.all_x_embedder", "transformer.all_final_layer.2-1.linear"))


def loss_of(net: Generator, batch: Batch, step: int) -> Tensor:
    """The squared error of the velocity; the product's latents count most.

    Attention is plain products: for rows of 96 tokens the fused kernel takes three times as long to go back.
    """
    weight, (noisy, sigmas, velocity) = batch.weight.to(device()), noised(batch.latents, step)
    with autocast(), sdpa_kernel(SDPBackend.MATH):
        made = net(noisy, sigmas, batch.ids.to(device()), batch.lengths)
    return (weight * (made.float() - velocity).square()).mean() / weight.mean()


def noised(latents: Tensor, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Clean latents (R, 16, h, w) with a step's noise, their σ (R,), and what to predict: clean − noise."""
    draw = torch.Generator().manual_seed(step)
    clean = latents.to(device())
    sigmas = draw_sigmas(len(clean), draw).to(device())
    noise = torch.randn(clean.shape, generator=draw).to(device())
    return clean.lerp(noise, sigmas[:, None, None, None]), sigmas, clean - noise


def draw_sigmas(rows: int, draw: torch.Generator) -> Tensor:
    """(rows,) σ in 0 to 1: AT_NOISE of them 1, the others logit-normal, SHIFTED of these as the sampler's."""
    plain = torch.sigmoid(torch.randn(rows, generator=draw))
    shift = SCHEDULER["shift"]
    shifted = shift * plain / (1.0 + (shift - 1.0) * plain)
    drawn = torch.where(torch.rand(rows, generator=draw) < SHIFTED, shifted, plain)
    return torch.where(torch.rand(rows, generator=draw) < AT_NOISE, 1.0, drawn)


def _ids(words: PreTrainedTokenizerFast, scenes: Scenes, language: str) -> list[list[int]]:
    """The token ids of all prompts of the set in one language."""
    texts = [framed(text) for text in scenes.prompts(language)]
    return words(texts, add_special_tokens=False)["input_ids"]


def _batches(phase: str, scenes: Scenes, ids: dict[str, list[list[int]]], first: int) -> Iterator[Batch]:
    plan = PLANS[phase]
    return (batch_of(scenes, ids, step, plan.batch) for step in range(first, plan.steps))


def batch_of(scenes: Scenes, ids: dict[str, list[list[int]]], step: int, size: int) -> Batch:
    """A step's batch, always the same: random rows of the set, each with a prompt in one language."""
    rng = np.random.default_rng([SEED, 4, step])
    rows = rng.integers(len(scenes.facts), size=size)
    languages = np.where(rng.random(size) < KOREAN, "korean", "english")
    found = [ids[language][row] for language, row in zip(languages, rows, strict=True)]
    longest = max(map(len, found))
    padded = torch.tensor([one + [0] * (longest - len(one)) for one in found])
    weight = 1.0 + (PRODUCT_WEIGHT - 1.0) * scenes.product[rows]
    return Batch(scenes.latents[rows], weight, padded, tuple(map(len, found)))
