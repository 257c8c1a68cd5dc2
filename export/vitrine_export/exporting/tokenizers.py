"""Both tokenizers as tokenizer.json, the one form that the orchestrator reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import CLIPTokenizer

from vitrine_export.checkpoint import Checkpoint
from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.errors import BadCheckpoint

STAGE = "prepare_text"  # the model that reads them
FILES = {"tokenizer": f"{STAGE}/1/tokenizer.json", "tokenizer_2": f"{STAGE}/1/tokenizer_2.json"}
LENGTH = 77
REQUIRED = ("vocab.json", "merges.txt")


def write_tokenizers(checkpoint: Checkpoint, repository: Path) -> dict[str, Any]:
    """Write both files and return the ids of padding (one for each tokenizer), start and end.

    Raises BadCheckpoint where a tokenizer cannot be read or has words that its text encoder has not.
    """
    found = {part: _open(checkpoint, part) for part in FILES}
    for part, file in FILES.items():
        path = repository / file
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        found[part].backend_tokenizer.save(str(draft))
        draft.replace(path)
    first = found["tokenizer"]
    return {
        "pad_ids": [tokenizer.pad_token_id for tokenizer in found.values()],
        "start_id": first.bos_token_id,
        "end_id": first.eos_token_id,
        "length": LENGTH,
    }


def _open(checkpoint: Checkpoint, part: str) -> CLIPTokenizer:
    for name in REQUIRED:
        path = checkpoint.folder / part / name
        ensure_present(path, f"{part}/{name}")
        ensure_real(path, f"{part}/{name}")
    try:
        tokenizer = CLIPTokenizer.from_pretrained(checkpoint.folder / part, local_files_only=True)
    except Exception as error:  # transformers raises what the file's reader raised
        raise BadCheckpoint(f"{part}/ cannot be read as a CLIP tokenizer: {error}") from error
    encoder = part.replace("tokenizer", "text_encoder")
    known = checkpoint.config(encoder).get("vocab_size")
    if known is not None and len(tokenizer) > known:
        raise BadCheckpoint(
            f"{part}/ has {len(tokenizer)} tokens, {encoder}/config.json's vocab_size is {known}"
        )
    return tokenizer
