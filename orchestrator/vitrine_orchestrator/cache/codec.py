"""Encodes named arrays as bytes in the safetensors format, and decodes them; it never uses pickle.

Decoding copies nothing: the arrays are read-only views of the bytes. It is stricter than the library, which
takes the last of two equal names: each name may occur once, data may have no gap or overlap, and dtypes must
be known.
Format: https://huggingface.co/docs/safetensors (8 bytes header length, JSON header, data), as of 0.8.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

DTYPES = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "I16": np.dtype("<i2"),
    "U16": np.dtype("<u2"),
    "I32": np.dtype("<i4"),
    "U32": np.dtype("<u4"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_LENGTH = struct.Struct("<Q")
_MAX_HEADER = 2**20  # bytes; a longer header is rejected (entries need about a thousandth of this)


class BadArrays(ValueError):
    """The bytes are not the expected arrays; the message names the difference."""


@dataclass(frozen=True, slots=True)
class Array:
    """The required dtype and shape of one array; -1 in `shape` allows any size."""

    dtype: str
    shape: tuple[int, ...]


Schema = Mapping[str, Array]


def encode(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The arrays as one safetensors file; equal arrays give equal bytes. BadArrays for an unknown dtype."""
    header: dict[str, dict[str, object]] = {}
    parts, offset = [], 0
    if unknown := {name: array.dtype for name, array in arrays.items() if array.dtype not in _NAMES}:
        raise BadArrays(f"dtypes {unknown}, known are {', '.join(sorted(DTYPES))}")
    # widest first, like the library, so that each array starts at a multiple of its item size
    for name in sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name)):
        array = arrays[name]
        data = np.ascontiguousarray(array).reshape(-1).data.cast("B") if array.size else b""
        span = [offset, offset + array.nbytes]
        header[name] = {"dtype": _NAMES[array.dtype], "shape": list(array.shape), "data_offsets": span}
        parts.append(data)
        offset = span[1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data begins at a multiple of 8, as the library writes it
    return b"".join([_LENGTH.pack(len(text)), text, *parts])


def decode(data: bytes) -> dict[str, np.ndarray]:
    """The arrays as read-only views of `data`; BadArrays unless `data` is complete and valid."""
    header, start = _header(data)
    arrays, end = {}, 0
    for name, row in sorted(header.items(), key=lambda item: _span(*item)[0]):
        begin, stop = _span(name, row)
        if begin != end:
            raise BadArrays(f"{name} begins at byte {begin} of the data, expected {end}")
        arrays[name] = _view(name, row, data, start + begin, stop - begin)
        end = stop
    if start + end != len(data):
        raise BadArrays(f"{len(data)} bytes, expected {start + end} by the header")
    return arrays


def check(arrays: Mapping[str, np.ndarray], schema: Schema) -> None:
    """BadArrays unless `arrays` has exactly the names of `schema`, each with its dtype and shape."""
    if arrays.keys() != schema.keys():
        raise BadArrays(f"arrays are {sorted(arrays)}, expected {sorted(schema)}")
    for name, want in schema.items():
        have = arrays[name]
        fits = len(have.shape) == len(want.shape) and all(
            size in (-1, actual) for size, actual in zip(want.shape, have.shape, strict=True)
        )
        if not fits or have.dtype != DTYPES[want.dtype]:
            raise BadArrays(f"{name} is {have.dtype} {have.shape}, expected {want.dtype} {want.shape}")


def check_finite(arrays: Mapping[str, np.ndarray]) -> None:
    """BadArrays if a number is NaN or infinite.

    The sum of squares is computed first: it is finite only if all values are, and three times as fast.
    """
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            continue
        flat = array.reshape(-1)
        quick = array.dtype.itemsize >= 4 and np.isfinite(np.dot(flat, flat))
        if not quick and not np.isfinite(flat).all():
            raise BadArrays(f"{name} holds NaN or infinity")


def _header(data: bytes) -> tuple[dict[str, dict[str, object]], int]:
    """(rows of the header by name, byte offset of the data)."""
    length = _LENGTH.unpack_from(data)[0] if len(data) >= _LENGTH.size else _MAX_HEADER + 1
    start = _LENGTH.size + length
    if length > _MAX_HEADER or start > len(data):
        raise BadArrays(f"no safetensors header in {len(data)} bytes")
    try:
        header = json.loads(data[_LENGTH.size : start], object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BadArrays(f"header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise BadArrays("header is not an object")
    header.pop("__metadata__", None)
    return header, start


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise BadArrays("header names something twice")
    return read


def _span(name: str, row: object) -> tuple[int, int]:
    span = row.get("data_offsets") if isinstance(row, dict) else None
    if not isinstance(span, list) or len(span) != 2 or not all(type(one) is int and one >= 0 for one in span):
        raise BadArrays(f"{name} has data_offsets {span}")
    return span[0], span[1]


def _view(name: str, row: Mapping[str, object], data: bytes, start: int, length: int) -> np.ndarray:
    shape, dtype = row.get("shape"), DTYPES.get(str(row.get("dtype")))
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise BadArrays(f"{name} has shape {shape}")
    if dtype is None:
        raise BadArrays(f"{name} has dtype {row.get('dtype')}, known are {', '.join(sorted(DTYPES))}")
    count = math.prod(shape)
    if count * dtype.itemsize != length or start + length > len(data):
        raise BadArrays(f"{name} {dtype} {shape} does not lie in its {length} bytes")
    return np.frombuffer(data, dtype, count, start).reshape(shape)
