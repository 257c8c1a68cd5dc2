"""The files of a Z-Image checkpoint by stage: networks, and the tokenizer with the frame of prompts."""

from __future__ import annotations

import torch
from transformers import AutoTokenizer
from vitrine_orchestrator.stages import Stage
from vitrine_orchestrator.z_image.facts import TRANSFORMER

from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.checkpoint.ads import AdCheckpoint
from vitrine_export.checkpoint.config_values import QWEN3_WORDS, whole
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.ad_graphs import ZImageGraph
from vitrine_export.exporting.ad_networks import ensure_float32, network_of, z_image_inputs
from vitrine_export.exporting.network import Network, stage_network
from vitrine_export.exporting.order import Order
from vitrine_export.exporting.recipes import Recipe
from vitrine_export.exporting.stage_files import Done
from vitrine_export.exporting.tokenizers import open_tokenizer, save
from vitrine_export.nets.z_image import ZImageNet

PLACE = "\N{OBJECT REPLACEMENT CHARACTER}"
"""Stands for the prompt when the chat template is written; no template holds it."""


def text_encoder(row: Stage, checkpoint: AdCheckpoint, dtype: torch.dtype) -> list[Network]:
    """Return Qwen3 without its last layer and norm."""
    words = whole("text_encoder", checkpoint.config("text_encoder"), "vocab_size", QWEN3_WORDS)
    return [stage_network(row, checkpoint.load("text_encoder", dtype), dtype, words=words)]


def transformer(row: Stage, checkpoint: AdCheckpoint, dtype: torch.dtype) -> list[Network]:
    """Return the transformer with LoRA slots. Raises ExportFailed for float16, which overflows in it."""
    ensure_float32(row, dtype)
    net = checkpoint.load("transformer")
    assert isinstance(net, ZImageNet)
    file = f"{row.name}/1/{TRANSFORMER}"
    return [network_of(file, ZImageGraph(net), z_image_inputs(net, LORA_RANK), "velocity", 0)]


def write_tokenizer(order: Order, recipe: Recipe, files: tuple[str, ...]) -> list[Done]:
    """Write tokenizer.json; `Done` has the texts before and after a prompt.

    Raises BadCheckpoint for an unreadable tokenizer, one with words that the text encoder lacks, and one
    without a chat template.
    """
    checkpoint = order.checkpoint
    assert isinstance(checkpoint, AdCheckpoint)
    tokenizer = open_tokenizer(checkpoint, "tokenizer", "text_encoder")
    before, after = frame(tokenizer)
    (file,) = files
    save(tokenizer, order.repository / file)
    tokens = {"prompt_before": before, "prompt_after": after}
    return [Done(file, note="the checkpoint's tokenizer", tokens=tokens)]


def frame(tokenizer: AutoTokenizer) -> tuple[str, str]:
    """Return the texts that the chat template puts before and after a user's message."""
    message = [{"role": "user", "content": PLACE}]
    try:
        text = tokenizer.apply_chat_template(
            message, tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
    except Exception as error:  # the template is a program of the checkpoint
        raise BadCheckpoint(f"tokenizer/: its chat template cannot be written: {error}") from error
    before, place, after = text.partition(PLACE)
    if not place:
        raise BadCheckpoint("tokenizer/: its chat template leaves out the user's message")
    return before, after
