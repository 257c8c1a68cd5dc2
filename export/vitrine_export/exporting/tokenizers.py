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
WORDS = ("vocab.json", "merges.txt")
FORMS = (("tokenizer.json",), WORDS, ("spiece.model",), ("tokenizer.model",))
CONFIGS = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja")
"""The files of which a tokenizer has one form or more: transformers 5 writes the first alone."""


def write_tokenizers(order: Order, recipe: Recipe, files: tuple[str, ...]) -> list[Done]:
    """Write both files; the first `Done` has the ids of padding (one per tokenizer), start and end.

    Raises BadCheckpoint for an unreadable tokenizer, and for one with words that its text encoder lacks.
    """
    checkpoint = order.checkpoint
    assert isinstance(checkpoint, Checkpoint)
    found = [open_clip_tokenizer(checkpoint, part) for part in PARTS]
    for tokenizer, file in zip(found, files, strict=True):
        save(tokenizer, order.repository / file)
    tokens = {
        "pad_ids": [tokenizer.pad_token_id for tokenizer in found],
        "start_id": found[0].bos_token_id,
        "end_id": found[0].eos_token_id,
        "length": LENGTH,
    }
    return [Done(file, note="the checkpoint's tokenizer", tokens=tokens) for file in files]


def open_clip_tokenizer(checkpoint: Checkpoint, part: str) -> CLIPTokenizer:
    """Open one of PARTS.

    Raises BadCheckpoint for an unreadable one, and for words that its text encoder lacks.
    """
    ensure_files(checkpoint.folder / part, part)
    try:
        tokenizer = CLIPTokenizer.from_pretrained(checkpoint.folder / part, local_files_only=True)
    except Exception as error:  # transformers passes on any error of the file's reader
        raise BadCheckpoint(f"{part}/ cannot be read as a CLIP tokenizer: {error}") from error
    encoder = encoder_of(part)
    ensure_known(tokenizer, part, encoder, checkpoint.config(encoder))
    return tokenizer


def encoder_of(part: str) -> str:
    """Return the folder of a tokenizer's text encoder."""
    return part.replace("tokenizer", "text_encoder")


def open_tokenizer(checkpoint: AdCheckpoint, part: str, encoder: str) -> Any:
    """Open the tokenizer in a folder of a checkpoint.

    Raises BadCheckpoint for an unreadable one, and for words that the text encoder `encoder` lacks.
    """
    tokenizer = read_tokenizer(checkpoint.folder / part, part)
    ensure_known(tokenizer, part, encoder, checkpoint.config(encoder))
    return tokenizer


def read_tokenizer(folder: Path, label: str) -> Any:
    """Read a tokenizer of any class that transformers brings; code in the folder is never run.

    `label` is the folder's name. Raises BadCheckpoint for an unreadable one, and one that needs its own code.
    """
    ensure_files(folder, label)
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers passes on any error of the file's reader
        if "trust_remote_code" in str(error):
            raise BadCheckpoint(
                f"{label}/ needs code of its own (auto_map), which is never run; fetch or save it as a "
                "tokenizer of a class that transformers brings"
            ) from error
        raise BadCheckpoint(f"{label}/ cannot be read: {error}; fetch it again") from error


def ensure_files(folder: Path, label: str) -> None:
    """Raise BadCheckpoint unless a tokenizer's files are there in one of FORMS, and none is a pointer."""
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if not any(names.issuperset(form) for form in FORMS):
        missing = next((name for name in WORDS if name not in names and names & {*WORDS}), FORMS[0][0])
        others = "" if names & {*WORDS} else f", and so are {' and '.join(WORDS)}"
        raise BadCheckpoint(f"{label}/{missing} is missing{others}; fetch it")
    for name in sorted(names & {name for form in (*FORMS, CONFIGS) for name in form}):
        ensure_present(folder / name, f"{label}/{name}")
        ensure_real(folder / name, f"{label}/{name}")


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
