"""Writes tokenizers as tokenizer.json, the only form that the orchestrator reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, CLIPTokenizer

from vitrine_export.checkpoint import Checkpoint
from vitrine_export.checkpoint.ads import AdCheckpoint
from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.order import Order
from vitrine_export.exporting.recipes import Recipe
from vitrine_export.exporting.stage_files import Done

PARTS = ("tokenizer", "tokenizer_2")
"""Folders of the checkpoint; each file has the name of its folder."""

LENGTH = 77
REQUIRED = ("vocab.json", "merges.txt")


def write_tokenizers(order: Order, recipe: Recipe, files: tuple[str, ...]) -> list[Done]:
    """Write both files; the first `Done` has the ids of padding (one per tokenizer), start and end.

    Raises BadCheckpoint for an unreadable tokenizer, and for one with words that its text encoder lacks.
    """
    checkpoint = order.checkpoint
    assert isinstance(checkpoint, Checkpoint)
    found = [_open(checkpoint, part) for part in PARTS]
    for tokenizer, file in zip(found, files, strict=True):
        save(tokenizer, order.repository / file)
    tokens = {
        "pad_ids": [tokenizer.pad_token_id for tokenizer in found],
        "start_id": found[0].bos_token_id,
        "end_id": found[0].eos_token_id,
        "length": LENGTH,
    }
    return [Done(file, note="the checkpoint's tokenizer", tokens=tokens) for file in files]


def _open(checkpoint: Checkpoint, part: str) -> CLIPTokenizer:
    for name in REQUIRED:
        path = checkpoint.folder / part / name
        ensure_present(path, f"{part}/{name}")
        ensure_real(path, f"{part}/{name}")
    try:
        tokenizer = CLIPTokenizer.from_pretrained(checkpoint.folder / part, local_files_only=True)
    except Exception as error:  # transformers passes on any error of the file's reader
        raise BadCheckpoint(f"{part}/ cannot be read as a CLIP tokenizer: {error}") from error
    encoder = part.replace("tokenizer", "text_encoder")
    ensure_known(tokenizer, part, encoder, checkpoint.config(encoder))
    return tokenizer


def open_tokenizer(checkpoint: AdCheckpoint, part: str, encoder: str) -> Any:
    """Open the tokenizer in a folder of a checkpoint.

    Raises BadCheckpoint for an unreadable one, and for words that the text encoder `encoder` lacks.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder / part, local_files_only=True)
    except Exception as error:  # transformers passes on any error of the file's reader
        raise BadCheckpoint(f"{part}/ cannot be read: {error}") from error
    ensure_known(tokenizer, part, encoder, checkpoint.config(encoder))
    return tokenizer


def ensure_known(tokenizer: Any, part: str, encoder: str, config: Mapping[str, Any]) -> None:
    """Raise BadCheckpoint where `part`, a tokenizer, has more words than the text encoder `encoder`."""
    known = config.get("vocab_size")
    if known is not None and len(tokenizer) > known:
        raise BadCheckpoint(
            f"{part}/ has {len(tokenizer)} tokens, {encoder}/config.json's vocab_size is {known}"
        )


def save(tokenizer: Any, path: Path) -> None:
    """Write tokenizer.json with one rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    tokenizer.backend_tokenizer.save(str(draft))
    draft.replace(path)
