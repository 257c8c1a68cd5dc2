"""The files of a FLUX.1 checkpoint by stage: networks, and both tokenizers."""

from __future__ import annotations

import torch
from vitrine_orchestrator.flux.facts import TRANSFORMER
from vitrine_orchestrator.stages import Stage
from vitrine_orchestrator.stages.flux import CLIP_TOKENS

from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.checkpoint.ads import AdCheckpoint
from vitrine_export.checkpoint.config_values import CLIP_WORDS, T5_WORDS, TEXT_POSITIONS, whole
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.ad_graphs import FluxGraph
from vitrine_export.exporting.ad_networks import ensure_float32, flux_inputs, network_of
from vitrine_export.exporting.network import Network, stage_network
from vitrine_export.exporting.order import Order
from vitrine_export.exporting.recipes import Recipe
from vitrine_export.exporting.stage_files import Done
from vitrine_export.exporting.tokenizers import open_tokenizer, save
from vitrine_export.nets.flux import FluxNet

TOKENIZERS = (("tokenizer", "text_encoder"), ("tokenizer_2", "text_encoder_2"))
"""Folders of the tokenizers, CLIP's and T5's, each with that of its text encoder."""


def text_encoder(row: Stage, checkpoint: AdCheckpoint, dtype: torch.dtype) -> list[Network]:
    """Return CLIP up to the hidden state of the prompt's end. Raises BadCheckpoint for another length."""
    config = checkpoint.config("text_encoder")
    if (length := config.get("max_position_embeddings", TEXT_POSITIONS)) != CLIP_TOKENS:
        raise BadCheckpoint(
            f"text_encoder/config.json: max_position_embeddings must be {CLIP_TOKENS}, got {length}"
        )
    net = checkpoint.load("text_encoder", dtype)
    return [stage_network(row, net, dtype, words=whole("text_encoder", config, "vocab_size", CLIP_WORDS))]


def text_encoder_2(row: Stage, checkpoint: AdCheckpoint, dtype: torch.dtype) -> list[Network]:
    """Return T5's encoder. Raises ExportFailed for float16, which overflows in it."""
    ensure_float32(row, dtype)
    words = whole("text_encoder_2", checkpoint.config("text_encoder_2"), "vocab_size", T5_WORDS)
    return [stage_network(row, checkpoint.load("text_encoder_2"), dtype, words=words)]


def transformer(row: Stage, checkpoint: AdCheckpoint, dtype: torch.dtype) -> list[Network]:
    """Return the transformer with LoRA slots. Raises ExportFailed for float16, which overflows in it."""
    ensure_float32(row, dtype)
    net = checkpoint.load("transformer")
    assert isinstance(net, FluxNet)
    file = f"{row.name}/1/{TRANSFORMER}"
    return [network_of(file, FluxGraph(net), flux_inputs(net, LORA_RANK), "velocity", 0)]


def write_tokenizers(order: Order, recipe: Recipe, files: tuple[str, ...]) -> list[Done]:
    """Write both tokenizers; each `Done` has the ids of their padding.

    Raises BadCheckpoint for an unreadable tokenizer, one without padding, and one with words that its text
    encoder lacks.
    """
    checkpoint = order.checkpoint
    assert isinstance(checkpoint, AdCheckpoint)
    found = [open_tokenizer(checkpoint, *parts) for parts in TOKENIZERS]
    for (part, _), tokenizer in zip(TOKENIZERS, found, strict=True):
        if tokenizer.pad_token_id is None:
            raise BadCheckpoint(f"{part}/ must have a pad_token, got none")
    for tokenizer, file in zip(found, files, strict=True):
        save(tokenizer, order.repository / file)
    tokens = {"pad_ids": [tokenizer.pad_token_id for tokenizer in found]}
    return [Done(file, note="the checkpoint's tokenizer", tokens=tokens) for file in files]
