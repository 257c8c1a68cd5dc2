"""Writes CLIP tokenizers with a token for each word of a drawn world, in the released files' format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from vitrine_world.dolls import VOCABULARY

PROMPT_WORDS = [  # words of the prompts in which a description is inserted
    "model",
    "is",
    "wearing",
    "a",
    "photo",
    "of",
    "monochrome",
    "lowres",
    "bad",
    "anatomy",
    "worst",
    "quality",
    "low",
    "shirts",
    "sleeveless",
    "short",
    "long",
    "top",
    "outfit",
    "person",
    "garment",
    "clothing",
    "the",
    "and",
    "in",
    "on",
    "of",
]
DOLLS = frozenset({*VOCABULARY, *PROMPT_WORDS})
"""The words of the paper dolls' prompts."""
START, END = "<|startoftext|>", "<|endoftext|>"


def byte_characters() -> list[str]:
    """Return the printable character of each byte, in CLIP's order.

    They are those of byte-level BPE (Radford et al., GPT-2, 2019).
    """
    return list(_characters().values())


def _characters() -> dict[int, str]:
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + index) for index, byte in enumerate(rest)}


def merges(words: Iterable[str] = DOLLS) -> list[tuple[str, str]]:
    """Return merges, in order of rank, that make one token of each word, each from the left.

    CLIP parts words at what is no letter, so "medium-sized" is three of them.
    """
    found: dict[tuple[str, str], None] = {}
    characters = _characters()
    for word in sorted({part for text in words for part in re.findall(r"[^\W\d_]+", text)}):
        *first, last = (characters[byte] for byte in word.encode())
        pieces = _merged([*first, last + "</w>"], list(found))
        while len(pieces) > 1:
            found[pieces[0], pieces[1]] = None
            pieces = _merged(pieces, list(found))  # the new rule may also fit the rest of the word
    return list(found)


def _merged(pieces: list[str], rules: list[tuple[str, str]]) -> list[str]:
    """Apply merge rules to `pieces`, lowest rank first, as byte-pair encoding does."""
    rank = {rule: index for index, rule in enumerate(rules)}
    while True:
        pairs = [(rank[pair], index) for index, pair in enumerate(pairwise(pieces)) if pair in rank]
        if not pairs:
            return pieces
        index = min(pairs)[1]
        pieces = [*pieces[:index], pieces[index] + pieces[index + 1], *pieces[index + 2 :]]


def vocabulary(words: Iterable[str] = DOLLS) -> dict[str, int]:
    """Return token → id: bytes, bytes at the end of a word, merges, the two special tokens."""
    tokens = byte_characters()
    tokens = [*tokens, *(token + "</w>" for token in tokens)]
    tokens += [*(a + b for a, b in merges(words)), START, END]
    return {token: index for index, token in enumerate(dict.fromkeys(tokens))}


def write_tokenizer(folder: Path, pad: str, words: Iterable[str] = DOLLS) -> None:
    """Write vocab.json, merges.txt and the two configs of a CLIPTokenizer; `pad` is the padding token."""
    folder.mkdir(parents=True, exist_ok=True)
    specials = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad}
    config = {**specials, "model_max_length": 77, "do_lower_case": True, "tokenizer_class": "CLIPTokenizer"}
    rules = "\n".join(f"{left} {right}" for left, right in merges(words))
    (folder / "vocab.json").write_text(json.dumps(vocabulary(words), ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text(f"#version: 0.2\n{rules}\n", encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(specials, indent=1))
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
