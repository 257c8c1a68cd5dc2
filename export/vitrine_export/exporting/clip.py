"""The files of a CLIP checkpoint by stage: both towers, and the tokenizer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPTextModelWithProjection, CLIPVisionModelWithProjection
from vitrine_orchestrator.stages import Stage

from vitrine_export.checkpoint.clip import ClipCheckpoint
from vitrine_export.exporting.network import Network, stage_network
from vitrine_export.exporting.order import Order
from vitrine_export.exporting.recipes import Recipe
from vitrine_export.exporting.stage_files import Done
from vitrine_export.exporting.tokenizers import ensure_known, read_tokenizer, save
from vitrine_export.exporting.wrappers import PooledTextEncoder


class PictureTower(nn.Module):
    """CLIP pixels (R, 3, 224, 224) → projected features (R, P), not normalised."""

    def __init__(self, model: CLIPVisionModelWithProjection) -> None:
        super().__init__()
        vision = model.vision_model
        self.embeddings, self.before, self.after = (
            vision.embeddings,
            vision.pre_layrnorm,
            vision.post_layernorm,
        )
        self.layers, self.projection = vision.encoder.layers, model.visual_projection

    def forward(self, pixel_values: Tensor) -> Tensor:
        hidden = self.before(self.embeddings(pixel_values))
        for layer in self.layers:
            hidden = layer(hidden, None)
        return self.projection(self.after(hidden[:, 0]))


class TextTower(nn.Module):
    """Token ids (R, 77) → projected features (R, P) at the text's end, not normalised."""

    def __init__(self, model: CLIPTextModelWithProjection) -> None:
        super().__init__()
        self.encoder = PooledTextEncoder(model)

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.encoder(input_ids)[1]


def image(row: Stage, checkpoint: ClipCheckpoint, dtype: torch.dtype) -> list[Network]:
    """Return the tower of pictures."""
    return [stage_network(row, PictureTower(checkpoint.load("vision", dtype)), dtype)]


def text(row: Stage, checkpoint: ClipCheckpoint, dtype: torch.dtype) -> list[Network]:
    """Return the tower of texts."""
    model = checkpoint.load("text", dtype)
    return [stage_network(row, TextTower(model), dtype, words=model.config.vocab_size)]


def open_tokenizer(checkpoint: ClipCheckpoint) -> Any:
    """Open the tokenizer. Raises BadCheckpoint for an unreadable one, and words that the text tower lacks."""
    tokenizer = read_tokenizer(checkpoint.folder, checkpoint.folder.resolve().name)
    ensure_known(tokenizer, "the tokenizer", "text_config", checkpoint.config.get("text_config") or {})
    return tokenizer


def write_tokenizer(order: Order, recipe: Recipe, files: tuple[str, ...]) -> list[Done]:
    """Write tokenizer.json; `Done` has the id of padding. Raises BadCheckpoint for an unreadable tokenizer,
    and for one with words that the text tower lacks.
    """
    checkpoint = order.checkpoint
    assert isinstance(checkpoint, ClipCheckpoint)
    tokenizer = open_tokenizer(checkpoint)
    (file,) = files
    save(tokenizer, order.repository / file)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return [Done(file, note="the checkpoint's tokenizer", tokens={"pad_id": pad})]
