"""Reads weight files: their headers without the data, and their tensors mapped from disk.

A file is safetensors or written by torch.save (`.bin`, `.pth`). Of the latter only plain tensors are read
(`weights_only=True`): pickled code is refused and never run.
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

from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.errors import BadCheckpoint

SAFETENSORS_AT = 8  # where a safetensors file's header begins, with a brace

BEGINNINGS_OF_TORCH_SAVE = (b"PK\x03\x04", b"\x80\x02\x8a\x0a")
"""Of its archives, and of its files from before torch 1.6."""

CHUNK_BYTES = 64 * 2**20
"""Bytes of a file that are mapped at a time while tensors are cast; pages of cast tensors are released."""

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}

QUANTISED: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"(^|\.)(scaled_fp8|scale_weight|weight_scale(_\d)?|scale_input|input_scale|comfy_quant)$"
        ),
        "scaled fp8 (as ComfyUI writes)",
    ),
    (re.compile(r"weight_scale_inv$"), "fp8 in blocks (as DeepSeek writes)"),
    (re.compile(r"\.(absmax|nested_absmax|quant_map|SCB|weight_format)$|quant_state\."), "bitsandbytes"),
    (
        re.compile(r"\.(qweight|qzeros|scales|g_idx|wscales|smooth_factor)$"),
        "packed integers (GPTQ, AWQ, SVDQuant)",
    ),
)
"""Names of tensors that scale the weights next to them, and the program that writes them."""


def headers(path: Path, label: str) -> dict[str, Tensor]:
    """Return every tensor of a file by name on the meta device: shape and dtype without the data.

    Raises BadCheckpoint for a missing or damaged file, another kind of file, and quantised weights.
    """
    ensure_present(path, label)
    found = _headers(path, label)
    _refuse_quantised(found, label)
    return found


def _headers(path: Path, label: str) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        return {
            name: torch.empty_like(tensor, device="meta") for name, tensor in _pickled(path, label).items()
        }
    with _opened(path, label) as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        return {
            name: _meta(found.get_dtype(), found.get_shape(), name, label) for name, found in slices.items()
        }


def _meta(kind: str, shape: list[int], name: str, label: str) -> Tensor:
    if kind not in _DTYPES:
        raise BadCheckpoint(
            f"{label}: {name} is of type {kind}, which is not read; fetch the weights in fp32, fp16 or bf16"
        )
    return torch.empty(shape, dtype=_DTYPES[kind], device="meta")


def _refuse_quantised(found: dict[str, Tensor], label: str) -> None:
    """Raise BadCheckpoint for weights with scales: without their scales every value would be wrong."""
    for pattern, writer in QUANTISED:
        for name in found:
            if pattern.search(name):
                raise BadCheckpoint(
                    f"{label} holds quantised weights, {writer}: {name}; "
                    "fetch the same file in fp32, fp16 or bf16"
                )


def tensors(path: Path, label: str, names: Sequence[str], dtype: torch.dtype) -> Iterator[dict[str, Tensor]]:
    """Yield the named tensors in chunks of about CHUNK_BYTES, floating-point ones as `dtype`.

    A tensor that already has `dtype` stays mapped and takes memory only when it is used.
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
    ensure_real(path, label)
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        if _begin(path)[:4] in BEGINNINGS_OF_TORCH_SAVE:
            raise BadCheckpoint(
                f"{label} is a file of torch.save under another name; rename it to .bin"
            ) from error
        raise _cut_short(path, label) from error


def _pickled(path: Path, label: str) -> dict[str, Tensor]:
    """Return the state dict of torch.save, mapped if its format allows it (torch ≥ 1.6)."""
    ensure_real(path, label)
    found = _unpickled(path, label)
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise BadCheckpoint(f"{label} must hold a dict of tensors by name")
    return found


def _unpickled(path: Path, label: str) -> object:
    """Load plain tensors with torch.load; BadCheckpoint for pickled code, which is never run."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles of other protocols, which are refused
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        if wanted := re.search(r"GLOBAL (\S+)", str(error)):
            raise BadCheckpoint(
                f"{label} holds pickled code ({wanted[1]}), which is never run: only plain tensors are read; "
                "fetch or convert it as safetensors"
            ) from error
        raise _no_tensors(path, label) from error
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        raise _cut_short(path, label) from error


def _begin(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(SAFETENSORS_AT + 1)


def _no_tensors(path: Path, label: str) -> BadCheckpoint:
    """Return the error for a file that torch.load does not take, by its first bytes."""
    first = _begin(path)
    if first[SAFETENSORS_AT:] == b"{":
        return BadCheckpoint(f"{label} is a safetensors file under another name; rename it to .safetensors")
    if first[:1] == b"\x80" and first[1:2] > b"\x02":
        return BadCheckpoint(
            f"{label} is a pickle of protocol {first[1]}, and of pickles only torch.save's own (protocol 2) "
            "are read; fetch or convert it as safetensors"
        )
    return BadCheckpoint(f"{label} is not a file of plain tensors, or cut short; fetch it again")


def _cut_short(path: Path, label: str) -> BadCheckpoint:
    return BadCheckpoint(f"{label} is damaged or cut short ({path.stat().st_size} bytes); fetch it again")
