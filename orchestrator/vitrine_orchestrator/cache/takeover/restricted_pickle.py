"""Reads old `.pkl` files of torch tensors without unpickling: it can build arrays only.

The pickles run on a stack machine (pickle_opcodes.py) that has only the opcodes of a pickled tensor and the
globals of the table at the end; these build numpy arrays and check every size. Anything else is refused by
name. Neither the pickle module's loader nor torch is used.

Three formats are read, as torch 1.6 to 2.13 write them:
- `pickle.dump(tensor)`: a tensor over a storage, whose bytes are an old-style torch.save inside the pickle
- `torch.save(tensor)`: a zip archive of data.pkl and one file for each storage
- `torch.save(tensor, _use_new_zipfile_serialization=False)`: pickles, then the storages' bytes
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass

import numpy as np

from vitrine_orchestrator.cache.takeover.pickle_opcodes import Functions, Globals, Refused, run

MAX_BYTES = 256 * 2**20  # a larger file or array is refused (100 times the largest tensor of the old layout)
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # torch/serialization.py, MAGIC_NUMBER
_LEGACY_PROTOCOL = 1001
_MAX_DIMS = 8
# Errors of a damaged program; Warning: pickletools warns of escapes in names, and callers may raise warnings.
_DAMAGE = (
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    zipfile.BadZipFile,
    Warning,
)


@dataclass(frozen=True, slots=True)
class _DType:
    """One of torch's storage types: its dtype in the file, and the numpy dtype of the result."""

    stored: np.dtype
    result: np.dtype


@dataclass(slots=True)
class _Storage:
    """The bytes of a tensor; `data` is None until it is read, where the file has it after the pickle."""

    dtype: _DType
    count: int
    data: bytes | None = None


def _plain(name: str) -> _DType:
    return _DType(np.dtype(name), np.dtype(name))


_STORAGES = {
    "DoubleStorage": _plain("<f8"),
    "FloatStorage": _plain("<f4"),
    "HalfStorage": _plain("<f2"),
    "BFloat16Storage": _DType(
        np.dtype("<u2"), np.dtype("<f4")
    ),  # numpy has no bfloat16: widened without loss
    "LongStorage": _plain("<i8"),
    "IntStorage": _plain("<i4"),
    "ShortStorage": _plain("<i2"),
    "CharStorage": _plain("i1"),
    "ByteStorage": _plain("u1"),
    "BoolStorage": _plain("?"),
}


def load_tensor(data: bytes) -> np.ndarray:
    """The one tensor in `data`, as a read-only array; Refused for anything else."""
    if len(data) > MAX_BYTES:
        raise Refused(f"{len(data)} bytes, at most {MAX_BYTES} are read")
    try:
        result = _load(data)
    except Refused:
        raise
    except _DAMAGE as error:
        raise Refused(f"damaged: {type(error).__name__}: {error}") from error
    if not isinstance(result, _Tensor):
        raise Refused(f"holds a {type(result).__name__}, not a tensor")
    return result.array()


def _load(data: bytes) -> object:
    if data.startswith(b"PK\x03\x04"):
        return _load_zip(data)
    stream = io.BytesIO(data)
    first = run(stream, _FUNCTIONS, _CONSTANTS)
    if type(first) is int and first == _LEGACY_MAGIC:
        return _load_legacy(stream, _FUNCTIONS)
    if stream.read(1):
        raise Refused("bytes follow the pickle")
    return first


def _load_zip(data: bytes) -> object:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        rows = {row.filename.partition("/")[2]: row for row in archive.infolist()}
        if any(row.compress_type != zipfile.ZIP_STORED or row.file_size > len(data) for row in rows.values()):
            raise Refused("compressed archive: torch writes none")
        if "byteorder" in rows and archive.read(rows["byteorder"]) != b"little":
            raise Refused("big-endian tensors")

        def storage(identity: object) -> _Storage:
            key, empty = _storage_of(identity)
            return _filled(empty, archive.read(rows[f"data/{key}"]))

        return run(io.BytesIO(archive.read(rows["data.pkl"])), _FUNCTIONS, _CONSTANTS, storage)


def _load_legacy(stream: io.BytesIO, functions: Functions) -> object:
    """The object after the magic number: protocol, machine, object, keys of storages, their bytes."""
    if run(stream, {}, {}) != _LEGACY_PROTOCOL:
        raise Refused("old-style torch.save of another protocol")
    machine = run(stream, {}, {})
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise Refused("big-endian tensors")
    storages: dict[str, _Storage] = {}

    def storage(identity: object) -> _Storage:
        key, empty = _storage_of(identity)
        return storages.setdefault(key, empty)

    result, keys = run(stream, functions, _CONSTANTS, storage), run(stream, {}, {})
    if not isinstance(keys, list) or sorted(keys) != sorted(storages):
        raise Refused("a list of storages that is not theirs")
    for key in keys:
        one, count = storages[key], int.from_bytes(stream.read(8), "little")
        if count != one.count:
            raise Refused(f"storage of {count} values, expected {one.count}")
        _filled(one, stream.read(count * one.dtype.stored.itemsize))
    if stream.read(1):
        raise Refused("bytes follow the last storage")
    return result


def _storage_of(identity: object) -> tuple[str, _Storage]:
    """Key and storage that a persistent id names: ("storage", type, key, device, count[, None])."""
    if not isinstance(identity, tuple) or len(identity) not in (5, 6) or identity[5:] not in ((), (None,)):
        raise Refused("a persistent id that is not a storage")
    word, dtype, key, _, count = identity[:5]
    if word != "storage" or not isinstance(dtype, _DType) or type(key) is not str or type(count) is not int:
        raise Refused("a persistent id that is not a storage")
    if not 0 <= count * dtype.stored.itemsize <= MAX_BYTES:
        raise Refused(f"a storage of {count} values, at most {MAX_BYTES} bytes are read")
    return key, _Storage(dtype, count)


def _filled(storage: _Storage, data: bytes) -> _Storage:
    if len(data) != storage.count * storage.dtype.stored.itemsize:
        raise Refused(f"{len(data)} bytes for {storage.count} values")
    storage.data = data
    return storage


class _Tensor:
    """A view of a storage; `array` reads it once the storage has its bytes."""

    def __init__(self, storage: object, offset: object, size: object, stride: object) -> None:
        if not isinstance(storage, _Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
            raise Refused("a tensor without a storage, a size or a stride")
        numbers = (offset, *size, *stride)
        if len(size) != len(stride) or len(size) > _MAX_DIMS:
            raise Refused(f"a tensor of {len(size)} sizes and {len(stride)} strides")
        if not all(type(one) is int and 0 <= one <= MAX_BYTES for one in numbers):
            raise Refused("a tensor with a size, stride or offset out of range")
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def array(self) -> np.ndarray:
        """A read-only copy of the values."""
        dtype, count = self.storage.dtype, math.prod(self.size)
        if self.storage.data is None:
            raise Refused("a storage without bytes")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
        if count * dtype.result.itemsize > MAX_BYTES or (count and last >= self.storage.count):
            raise Refused(f"a tensor of size {self.size} does not lie in its {self.storage.count} values")
        if count == 0:
            return np.frombuffer(b"", dtype.result).reshape(self.size)
        values = np.frombuffer(self.storage.data, dtype.stored)[self.offset :]
        strides = tuple(step * dtype.stored.itemsize for step in self.stride)
        view = np.lib.stride_tricks.as_strided(values, self.size, strides, writeable=False)
        array = view.copy() if dtype.stored == dtype.result else _widened(view)
        array.setflags(write=False)
        return array


def _widened(bfloat16: np.ndarray) -> np.ndarray:
    """bfloat16 as float32: its 16 bits are the upper half."""
    return (bfloat16.astype(np.uint32) << 16).view(np.float32)


def _rebuild_tensor(storage: object, offset: object, size: object, stride: object, *rest: object) -> _Tensor:
    """torch._utils._rebuild_tensor_v2; `rest`: requires_grad, hooks (must be empty), metadata (ignored)."""
    if len(rest) > 1 and rest[1]:
        raise Refused("a tensor with hooks")
    return _Tensor(storage, offset, size, stride)


def _storage_from_bytes(data: object) -> _Storage:
    """torch.storage._load_from_bytes: an old-style torch.save of one storage, inside the pickle."""
    if not isinstance(data, bytes):
        raise Refused("a storage that is not bytes")
    stream = io.BytesIO(data)
    if run(stream, {}, {}) != _LEGACY_MAGIC:  # without functions, so that no storage can be nested in another
        raise Refused("a storage in another format")
    result = _load_legacy(stream, {})
    if not isinstance(result, _Storage):
        raise Refused("a storage that is none")
    return result


def _encode(text: object, encoding: object) -> bytes:
    """_codecs.encode, by which pickle protocols before 3 write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise Refused("bytes in another encoding")
    return text.encode("latin1")


def _no_hooks(*items: object) -> dict[str, object]:
    """collections.OrderedDict, the hooks of a tensor; Refused unless it is empty."""
    if items not in ((), ([],)):
        raise Refused("a tensor with hooks")
    return {}


_FUNCTIONS: Functions = {
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch.storage", "_load_from_bytes"): _storage_from_bytes,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _no_hooks,
}
_CONSTANTS: Globals = {("torch", name): dtype for name, dtype in _STORAGES.items()}
