"""Reads a registry of adapters: a folder with one subfolder for each, written by `vitrine-export lora`.

    NAME/lora.json           the card: see `Card`
    NAME/slot.safetensors    down (rank, inputs) and up (rank, outputs), float32, side by side as the graph
                             of the base takes them; up includes alpha / rank

The command has compared every key with the linears of the base, so the server reads no foreign key names.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from vitrine.errors import BadRequest, NotFound, Unavailable

CARD, TENSORS = "lora.json", "slot.safetensors"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""The form of a name; it is also the name of a folder, so it holds no separator and no leading dot."""


@dataclass(frozen=True)
class Card:
    """What lora.json says of one adapter."""

    name: str
    family: str
    base: str  # digest of the checkpoint that it was fitted to
    digest: str  # SHA-256 of slot.safetensors
    rank: int
    trigger_words: tuple[str, ...]
    licence: str


@dataclass(frozen=True)
class Lora:
    """One adapter: its card, and its tensors, read-only float32."""

    card: Card
    down: np.ndarray  # (rank, inputs)
    up: np.ndarray  # (rank, outputs)

    @property
    def nbytes(self) -> int:
        """Bytes of both tensors."""
        return self.down.nbytes + self.up.nbytes


class Registry:
    """The adapters of one folder for one checkpoint. Any thread may read; new subfolders are found."""

    def __init__(self, folder: Path | None, family: str, base: str, max_bytes: int) -> None:
        """`folder` None: there are no adapters. `max_bytes` of the tensors that are kept in memory."""
        self._folder, self._family, self._base, self._max_bytes = folder, family, base, max_bytes
        self._kept: OrderedDict[str, Lora] = OrderedDict()  # by digest, the least recently used first
        self._lock = threading.Lock()

    def get(self, name: str) -> Lora:
        """The adapter of that name.

        Raises NotFound for an unknown name, BadRequest for an adapter of another base, and Unavailable, which
        names the file, for a damaged one.
        """
        card = self.card(name)
        with self._lock:
            if card.digest not in self._kept:
                assert self._folder is not None
                self._keep(read_lora(self._folder / name, card))
            self._kept.move_to_end(card.digest)
            return self._kept[card.digest]

    def card(self, name: str) -> Card:
        """The card of that name's adapter as it is now; raises as `get`, but reads no tensors."""
        card = find_card(self._folder, name)
        if (card.family, card.base) != (self._family, self._base):
            raise BadRequest(
                f"lora {name} must be of base {self._family} {self._base[:12]}, "
                f"got {card.family} {card.base[:12]}"
            )
        return card

    def _keep(self, lora: Lora) -> None:
        self._kept[lora.card.digest] = lora
        while sum(kept.nbytes for kept in self._kept.values()) > self._max_bytes and len(self._kept) > 1:
            self._kept.popitem(last=False)


def find_card(folder: Path | None, name: str) -> Card:
    """The card of that name in a registry, whatever its base; `folder` None: there are no adapters.

    Raises NotFound for an unknown name, BadRequest for what is no name, and Unavailable for a damaged card.
    """
    if not NAME.fullmatch(name):
        raise BadRequest(f"lora must be a name of letters, digits, '.', '_' and '-', got {name[:40]!r}")
    if folder is None or not (folder / name / CARD).is_file():
        raise NotFound(f"there is no lora {name!r} in the registry")
    return read_card(folder / name)


def read_card(folder: Path) -> Card:
    """The card in an adapter's folder; Unavailable for one that cannot be read."""
    path = folder / CARD
    try:
        given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Card(**{**given, "trigger_words": tuple(given["trigger_words"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"lora {folder.name}: {CARD} cannot be read: {error}") from error


def read_lora(folder: Path, card: Card) -> Lora:
    """The tensors beside a card; Unavailable for a file of another digest or other shapes."""
    path = folder / TENSORS
    try:
        if hashlib.sha256(path.read_bytes()).hexdigest() != card.digest:
            raise Unavailable(f"lora {folder.name}: {TENSORS} is not the file that {CARD} describes")
        with safe_open(path, framework="np") as opened:
            down, up = (opened.get_tensor(name) for name in ("down", "up"))
    except (OSError, SafetensorError) as error:
        raise Unavailable(f"lora {folder.name}: {TENSORS} cannot be read: {error}") from error
    for tensor in (down, up):
        if tensor.dtype != np.float32 or tensor.ndim != 2 or len(tensor) != card.rank:
            raise Unavailable(
                f"lora {folder.name}: tensors must be float32 with {card.rank} rows, "
                f"got {tensor.dtype} of shape {tensor.shape}"
            )
        tensor.setflags(write=False)
    return Lora(card, down, up)
