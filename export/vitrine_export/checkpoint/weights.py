"""Weight files: what they hold without reading it, and their tensors mapped from disk.

A file is safetensors or what torch.save wrote (`.bin`, `.pth`); of the latter only plain tensors are taken
(`weights_only=True`): pickled code is refused, never run.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vitrine_export.errors import BadCheckpoint

CHUNK_BYTES = 64 * 2**20
"""How much of a file is mapped at a time while its tensors are cast: the pages of a cast tensor go back."""

_DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def headers(path: Path, label: str) -> dict[str, Tensor]:
    """Every tensor of a file by name, on the meta device: shape and dtype without the data."""
    if path.suffix != ".safetensors":
        return {
            name: torch.empty_like(tensor, device="meta") for name, tensor in _pickled(path, label).items()
        }
    with _opened(path, label) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {
            name: torch.empty(
                found.get_shape(), dtype=_DTYPES.get(found.get_dtype(), torch.int64), device="meta"
            )
            for name, found in slices.items()
        }


def tensors(path: Path, label: str, names: Sequence[str], dtype: torch.dtype) -> Iterator[dict[str, Tensor]]:
    """The named tensors in chunks of about CHUNK_BYTES, floating ones as `dtype`.

    A tensor that has that dtype already stays mapped: it takes memory only when it is used.
    """
    whole = headers(path, label)
    for chunk in _chunks(names, whole):
        mapped = _mapped(path, label, chunk)
        yield {name: t.to(dtype) if t.is_floating_point() else t for name, t in mapped.items()}
        del mapped


def _chunks(names: Sequence[str], whole: dict[str, Tensor]) -> Iterator[list[str]]:
    chunk: list[str] = []
    size = 0
    for name in names:
        chunk.append(name)
        size += whole[name].nbytes
        if size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _mapped(path: Path, label: str, names: Sequence[str]) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        whole = _pickled(path, label)
        return {name: whole[name] for name in names}
    with _opened(path, label) as file:
        return {name: file.get_tensor(name) for name in names}


def _opened(path: Path, label: str) -> safe_open:
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        size = path.stat().st_size
        raise BadCheckpoint(f"{label} is damaged or cut short ({size} bytes); fetch it again") from error


def _pickled(path: Path, label: str) -> dict[str, Tensor]:
    """The state dict that torch.save wrote, mapped where its format allows (torch ≥ 1.6)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles of another protocol, which are refused anyway
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        if wanted := re.search(r"GLOBAL (\S+)", str(error)):
            raise BadCheckpoint(
                f"{label} holds pickled code ({wanted[1]}), which is never run: only plain tensors are read"
            ) from error
        raise BadCheckpoint(
            f"{label} is not a file of plain tensors, or cut short; fetch it again"
        ) from error
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        size = path.stat().st_size
        raise BadCheckpoint(f"{label} is damaged or cut short ({size} bytes); fetch it again") from error
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise BadCheckpoint(f"{label} must hold a dict of tensors by name")
    return found
