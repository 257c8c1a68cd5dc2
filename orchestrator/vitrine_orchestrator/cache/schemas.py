"""The type of a category's row, and the names, dtypes and shapes of its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vitrine_orchestrator.cache.codec import Array, Schema
from vitrine_orchestrator.cache.key import Category
from vitrine_orchestrator.cache.takeover.old_layout import IMPORTED_SCHEMAS
from vitrine_orchestrator.stages import Tensor

_DTYPES = {"FP32": "F32", "INT32": "I32", "INT64": "I64", "UINT8": "U8", "UINT64": "U64", "BOOL": "BOOL"}
_CONTENT = {"content_digest": Array("U8", (32,))}  # digest of the input that the values were computed from


class CacheRow(NamedTuple):
    """One category: the tensors that are kept, and how much of it one process's memory keeps."""

    tensors: tuple[Tensor, ...]
    limit: Category


def prepared_schemas(rows: Mapping[str, CacheRow]) -> dict[str, Schema]:
    """Schemas by category: the row's tensors, and the digest of the input that they were computed from.

    The schemas of "imported {category}" describe the values that `vitrine cache import` writes.
    """
    prepared = {
        category: {tensor.name: _array(tensor) for tensor in row.tensors} | _CONTENT
        for category, row in rows.items()
    }
    return prepared | {f"imported {category}": schema for category, schema in IMPORTED_SCHEMAS.items()}


def _array(tensor: Tensor) -> Array:
    return Array(_DTYPES[tensor.dtype], tuple(size if isinstance(size, int) else -1 for size in tensor.dims))
