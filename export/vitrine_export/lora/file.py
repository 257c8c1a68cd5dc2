"""Reads a LoRA file as an adapter of a net; a file with keys that do not fit the net is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.errors import BadCheckpoint
from vitrine_export.lora.names import Role, linears_of, parted, underscored
from vitrine_export.nets.dit.lora_rows import Sites, SlottedLinear

SHOWN = 3  # keys named in an error; further ones are counted
SUFFIX = ".safetensors"
HEADER = "lora_adapter_metadata"  # where diffusers writes the settings of PEFT
PEFT_FILE, PEFT_SETTINGS = "adapter_model.safetensors", "adapter_config.json"  # as PEFT itself saves both,
PEFT_KEYS = "base_model.model."  # and what its keys begin with
CHANGED_BASE = re.compile("pissa.*|olora|corda|loftq")
"""Values of init_lora_weights with which PEFT changes the weights of the base, too."""


@dataclass(frozen=True)
class Pair:
    """The term of one linear: up (out, rank) · down (rank, in), float32; `up` includes alpha / rank."""

    down: Tensor
    up: Tensor


@dataclass(frozen=True)
class Adapter:
    """The terms of an adapter, by the net's names of linears."""

    pairs: Mapping[str, Pair]

    @property
    def rank(self) -> int:
        """The largest rank of the terms."""
        return max(len(pair.down) for pair in self.pairs.values())


def read_adapter(path: Path, sites: Sites) -> Adapter:
    """Read the adapter of a safetensors file for a net with these linears.

    Raises BadCheckpoint for another kind of file, a damaged file, and one that fits the net only in part.
    """
    ensure_file(path)
    try:
        state = load_file(path)
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        size = path.stat().st_size
        raise BadCheckpoint(f"{path.name} is damaged or cut short ({size} bytes); fetch it again") from error
    return adapter_of(state, sites, path.name, _written_alpha(path, metadata, state))


def ensure_file(path: Path) -> None:
    """Raise BadCheckpoint for a missing file, another kind of file, a pointer and a web page."""
    if path.suffix != SUFFIX:
        raise BadCheckpoint(f"{path.name}: a LoRA must be a {SUFFIX} file; pickles are not read")
    ensure_present(path, path.name)
    ensure_real(path, path.name)


def adapter_of(
    state: Mapping[str, Tensor], sites: Sites, label: str, written: float | None = None
) -> Adapter:
    """Read an adapter as `read_adapter` does, from tensors by key; `label` names the file in errors.

    `written` is the alpha of linears without an own alpha; without both, alpha is the rank.
    """
    groups, unknown = _grouped(state, sites, label)
    if unknown:
        raise BadCheckpoint(
            f"{label}: {len(unknown)} of {len(state)} keys fit no linear of the net: {_some(unknown)}"
        )
    if not groups:
        raise BadCheckpoint(f"{label} holds no LoRA")
    pairs: dict[str, Pair] = {}
    for name, roles in groups.items():
        if missing := {"down", "up"} - roles.keys():
            raise BadCheckpoint(f"{label}: {name} has no {' and no '.join(sorted(missing))} weight")
        linears = {part: sites.linears[part] for part in linears_of(name, sites.linears)}
        if twice := sorted(linears.keys() & pairs.keys()):
            raise BadCheckpoint(f"{label}: {_some(twice)} are in it twice, under different names")
        pairs |= _pairs(name, roles, linears, written, label)
    return Adapter(pairs)


def _written_alpha(path: Path, metadata: Mapping[str, str], keys: Iterable[str]) -> float | None:
    """Return the alpha that the file's header or PEFT's settings beside it give, or None.

    Raises BadCheckpoint where the settings of a file with PEFT's own name are missing: they have its alpha.
    """
    if HEADER in metadata:
        return written_alpha(metadata[HEADER], f"{path.name}: {HEADER} in its header")
    beside = path.with_name(PEFT_SETTINGS)
    renamed = beside.exists() and any(key.startswith(PEFT_KEYS) for key in keys)
    if path.name != PEFT_FILE and not renamed:
        return None
    ensure_present(beside, f"{PEFT_SETTINGS}, which has the alpha of {PEFT_FILE},")
    try:
        return written_alpha(beside.read_text(), PEFT_SETTINGS)
    except (OSError, UnicodeDecodeError) as error:
        raise BadCheckpoint(f"{PEFT_SETTINGS} cannot be read: {error}") from error


def written_alpha(settings_json: str, label: str) -> float | None:
    """Return the alpha in the JSON of PEFT's settings, or None; `label` names them in errors.

    Raises BadCheckpoint for unsupported settings: alphas by linear, other scales, DoRA, a changed base.
    """
    try:
        settings = json.loads(settings_json)
        found = {key.removeprefix("transformer."): value for key, value in settings.items()}
        alpha = None if found.get("lora_alpha") is None else float(found["lora_alpha"])
    except (ValueError, TypeError, AttributeError) as error:
        raise BadCheckpoint(f"{label} cannot be read: {error}") from error
    if alpha is not None and not isfinite(alpha):
        raise BadCheckpoint(f"{label}: lora_alpha must be a finite number, got {alpha}")
    if given := [key for key in ("alpha_pattern", "use_rslora", "use_dora") if found.get(key)]:
        raise BadCheckpoint(f"{label}: {given[0]} must not be set, got {found[given[0]]!r}")
    if CHANGED_BASE.fullmatch(str(start := found.get("init_lora_weights")).lower()):
        raise BadCheckpoint(
            f"{label}: init_lora_weights must not be {start!r}: the adapter belongs to a changed base; "
            "save it as a plain LoRA"
        )
    return alpha


def _grouped(
    state: Mapping[str, Tensor], sites: Sites, label: str
) -> tuple[dict[str, dict[Role, Tensor]], list[str]]:
    """Return tensors by name and role, and the keys that fit no linear; BadCheckpoint for a name twice."""
    spelt = underscored(sites.linears)
    groups: dict[str, dict[Role, Tensor]] = {}
    unknown: list[str] = []
    for key, tensor in state.items():
        found = parted(key)
        name = spelt.get(found[0], found[0]) if found else ""
        if found is None or not linears_of(name, sites.linears):
            unknown.append(key)
        else:
            roles = groups.setdefault(name, {})
            if found[1] in roles:
                raise BadCheckpoint(f"{label}: {name} is in it twice, under different prefixes; remove one")
            roles[found[1]] = tensor
    return groups, unknown


def _pairs(
    name: str,
    roles: Mapping[Role, Tensor],
    linears: Mapping[str, SlottedLinear],
    written: float | None,
    label: str,
) -> dict[str, Pair]:
    """Return the terms of one name: several if the file joins several linears."""
    down, up = roles["down"], roles["up"]
    if whole := [tensor.dtype for tensor in (down, up) if not tensor.is_floating_point()]:
        raise BadCheckpoint(f"{label}: {name} must hold floating-point numbers, got {whole[0]}")
    down, up = down.float(), up.float()
    inputs = next(iter(linears.values())).in_features
    outputs = [linear.out_features for linear in linears.values()]
    rank = len(down) if down.ndim else 0
    if not rank or down.shape != (rank, inputs) or up.shape != (sum(outputs), rank):
        raise BadCheckpoint(
            f"{label}: {name} must be ({rank or 'rank'}, {inputs}) down and ({sum(outputs)}, "
            f"{rank or 'rank'}) up of a rank from 1 on, got {tuple(down.shape)} and {tuple(up.shape)}"
        )
    up = _scale(name, roles.get("alpha"), written, rank, label) * up
    if not (torch.isfinite(down).all() and torch.isfinite(up).all()):
        raise BadCheckpoint(f"{label}: {name} holds numbers that are not finite, or not with its alpha")
    return {part: Pair(down, piece) for part, piece in zip(linears, up.split(outputs), strict=True)}


def _scale(name: str, alpha: Tensor | None, written: float | None, rank: int, label: str) -> float:
    """Return alpha / rank, where alpha is the linear's own, the header's, or the rank."""
    if alpha is None:
        return 1.0 if written is None else written / rank
    if alpha.numel() != 1 or not torch.isfinite(alpha.float()).all():
        raise BadCheckpoint(f"{label}: {name} must have one finite number as alpha, got {alpha.tolist()}")
    return float(alpha) / rank


def _some(names: list[str]) -> str:
    return ", ".join(sorted(names)[:SHOWN]) + (", …" if len(names) > SHOWN else "")
