"""Training of the shop's CLIP, which tells how well a picture fits a prompt.

A picture is compared with the prompts of its batch, and with prompts that are wrong in one fact: those of
other pictures are wrong in nearly all, so they soon teach nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from vitrine_orchestrator.images.clip import MEAN, STD
from vitrine_orchestrator.stages.clip import SIDE
from vitrine_world import shop

from vitrine_export.shop_nets import HEADS
from vitrine_export.training.loop import device, fit
from vitrine_export.training.muon import Both
from vitrine_export.training.shop.checkers import worn
from vitrine_export.training.shop.pictures import PictureSet, picture_set, signed, style_of
from vitrine_export.training.shop.recipe import CLIP, PLANS, SEED
from vitrine_export.training.shop.vae_start import components
from vitrine_export.training.tokenizers import END, START, vocabulary, write_tokenizer

KOREAN = 0.45
"""The share of pictures whose prompts are Korean."""
WRONG = {"kind": 2, "colour": 1, "trade": 1, "light": 1}
"""How many prompts of each picture are wrong in a fact; the kind is the hardest to see."""
SHIFT = 1
"""How far pictures are moved at most, in px of the drawings."""
READING = 0.5
"""How much reading the facts from a picture counts in training, next to choosing prompts."""
STARTING = 256
"""Pictures whose patches give the start of the picture tower."""
HOTTEST = 100.0
"""The largest factor of cosines, as in CLIP."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Drawings (R, 3, S, S) in [-1, 1], and token ids (R · (1 + wrong), T), those of true prompts first.

    `labels` (R,) are the classes of the checker's heads.
    """

    pictures: Tensor
    ids: Tensor
    labels: dict[str, Tensor]


class Pupil(nn.Module):
    """The towers, and heads that read facts from a picture: they teach the picture tower, and are not kept.

    Prompts alone taught it colour, trade and light within minutes, but hardly the kind of product.
    """

    def __init__(self, net: CLIPModel) -> None:
        super().__init__()
        self.net, wide = net, net.config.vision_config.hidden_size
        self.heads = nn.ModuleDict({name: nn.Linear(wide, len(names)) for name, names in HEADS.items()})


def train_clip(folder: Path) -> CLIPModel:
    """Train on the set of drawings; `folder` keeps the state."""
    data = picture_set(folder)
    torch.manual_seed(0)
    net = untrained(signed(data.pictures[:STARTING]))
    facts = [shop.sample(SEED, index).facts for index in range(len(data.pictures))]
    words = tokenizer(folder / "shop_clip_tokenizer")
    pupil, batches = Pupil(net), partial(_batches, data, facts, words)
    fit("shop_clip", pupil, partial(loss_of, pupil), batches, PLANS["shop_clip"], folder, optimiser)
    return net


def known_words() -> tuple[str, ...]:
    """Return the words of both languages, each of which is one token."""
    return tuple(word for language in shop.LANGUAGES for word in shop.words(language))


def tokenizer(folder: Path) -> CLIPTokenizer:
    """Write the tokenizer's files into a folder, and open it."""
    write_tokenizer(folder, END, known_words())
    return CLIPTokenizer.from_pretrained(folder)


def untrained(drawn: Tensor) -> CLIPModel:
    """Return the towers before training; patches enter as principal components of drawings (N, 3, S, S)."""
    ids = vocabulary(known_words())
    special = {"bos_token_id": ids[START], "eos_token_id": ids[END], "pad_token_id": ids[END]}
    text = CLIP["text_config"] | special | {"vocab_size": len(ids)}
    net = CLIPModel(CLIPConfig(**(CLIP | {"text_config": text})))
    _start_patches(net, drawn)
    return net


@torch.no_grad()
def _start_patches(net: CLIPModel, drawn: Tensor) -> None:
    """Let a patch enter as its components, the weaker ones strengthened, around a mean of zero."""
    embeddings = net.vision_model.embeddings
    wide, patch = embeddings.patch_embedding.weight.shape[0], embeddings.patch_size
    side = patch * drawn.shape[-1] // SIDE
    rows, bias, spread = components(pixel_values(drawn, drawn.shape[-1]), side, wide)
    scale = 1.0 / spread.sqrt()
    small = (scale[:, None] * rows).reshape(wide, 3, side, side)
    # the components of a drawing are those of the same drawing enlarged, divided by how many pixels there are
    enlarged = F.interpolate(small, patch, mode="bicubic", antialias=True) * (side / patch) ** 2
    embeddings.patch_embedding.weight.copy_(enlarged)
    embeddings.position_embedding.weight[1:] += scale * bias


def optimiser(net: nn.Module, lr: float) -> Both:
    """Muon for the matrices of both towers' layers, AdamW for the rest; the patches' components stay near."""
    return Both(
        net,
        lr,
        ("net.vision_model.encoder.layers", "net.text_model.encoder.layers"),
        ("net.vision_model.embeddings.patch_embedding",),
    )


def loss_of(pupil: Pupil, batch: Batch, step: int) -> Tensor:
    """The error of the choice of prompts, and READING of that of the heads."""
    seen = pixel_values(worn(batch.pictures, step)).to(device())
    pooled = pupil.net.vision_model(seen).pooler_output
    read = [
        F.cross_entropy(head(pooled), batch.labels[name].to(device())) for name, head in pupil.heads.items()
    ]
    return choice_error(pupil.net, pooled, batch.ids.to(device())) + READING * torch.stack(read).sum()


def choice_error(net: CLIPModel, pooled: Tensor, ids: Tensor) -> Tensor:
    """Cross-entropy of the true prompt among all prompts of a batch, and of the picture among pictures.

    `pooled` (R, width) is the picture tower's output before its projection.
    """
    shown, said = F.normalize(net.visual_projection(pooled), dim=1), texts_of(net, ids)
    logits = net.logit_scale.exp().clamp(max=HOTTEST) * shown @ said.T
    rows = torch.arange(len(shown), device=logits.device)
    return F.cross_entropy(logits, rows) + F.cross_entropy(logits[:, : len(rows)].T, rows)


def texts_of(net: CLIPModel, ids: Tensor) -> Tensor:
    """Token ids (R, T), filled up with ends → directions (R, P)."""
    return F.normalize(net.text_projection(net.text_model(ids).pooler_output), dim=1)


def pixel_values(drawn: Tensor, side: int = SIDE) -> Tensor:
    """Pictures (R, 3, S, S) in [-1, 1] → CLIP's pixels (R, 3, side, side)."""
    mean, deviation = (torch.from_numpy(values).reshape(1, 3, 1, 1) for values in (MEAN, STD))
    larger = F.interpolate(drawn, side, mode="bicubic", antialias=True) if drawn.shape[-1] != side else drawn
    return (larger.clamp(-1.0, 1.0) / 2.0 + 0.5 - mean) / deviation


def batch_of(
    data: PictureSet, facts: Sequence[shop.Facts], words: CLIPTokenizer, step: int, size: int
) -> Batch:
    """A step's batch, always the same: random rows, half of them mirrored with their light, all moved."""
    rng = np.random.default_rng([SEED, 5, step])
    rows = rng.integers(len(facts), size=size)
    mirrored, korean = rng.random(size) < 0.5, rng.random(size) < KOREAN
    shown = [_mirrored(facts[row]) if flip else facts[row] for row, flip in zip(rows, mirrored, strict=True)]
    wrong = [shop.near_misses(one, WRONG, rng) for one in shown]
    styles, languages = [style_of(row) for row in rows], np.where(korean, "korean", "english").tolist()

    def prompts(which: Sequence[shop.Facts]) -> list[str]:
        return [shop.prompt(*one) for one in zip(which, languages, styles, strict=True)]

    texts = [text for each in (shown, *zip(*wrong, strict=True)) for text in prompts(each)]
    ids = words(texts, padding=True, return_tensors="pt").input_ids
    pictures = signed(data.pictures[rows])
    pictures = torch.where(torch.from_numpy(mirrored)[:, None, None, None], pictures.flip(-1), pictures)
    return Batch(_moved(pictures, rng), ids, _labels(shown, styles))


def _labels(shown: Sequence[shop.Facts], styles: Sequence[str]) -> dict[str, Tensor]:
    """The classes of the heads, (R,) int64 each."""
    values = [vars(facts) | {"style": style} for facts, style in zip(shown, styles, strict=True)]
    return {name: torch.tensor([names.index(row[name]) for row in values]) for name, names in HEADS.items()}


def _batches(
    data: PictureSet, facts: Sequence[shop.Facts], words: CLIPTokenizer, first: int
) -> Iterator[Batch]:
    plan = PLANS["shop_clip"]
    return (batch_of(data, facts, words, step, plan.batch) for step in range(first, plan.steps))


def _mirrored(facts: shop.Facts) -> shop.Facts:
    (other,) = (side for side in shop.SIDES if side != facts.light)
    return replace(facts, light=other)


def _moved(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """Move each picture by up to SHIFT px; its edge fills what becomes free."""
    side = pictures.shape[-1]
    wider = F.pad(pictures, (SHIFT,) * 4, mode="replicate")
    corners = rng.integers(2 * SHIFT + 1, size=(len(pictures), 2)).tolist()
    return torch.stack(
        [one[:, y : y + side, x : x + side] for one, (y, x) in zip(wider, corners, strict=True)]
    )
