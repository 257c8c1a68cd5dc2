"""The names, dtypes and shapes of the arrays of each category, read from the stage table."""

from __future__ import annotations

from collections.abc import Mapping

from vitrine_orchestrator.cache.codec import Array, Schema
from vitrine_orchestrator.cache.takeover.old_layout import IMPORTED_SCHEMAS
from vitrine_orchestrator.stages import Tensor, stage

_DTYPES = {"FP32": "F32", "INT32": "I32", "INT64": "I64", "UINT8": "U8", "UINT64": "U64", "BOOL": "BOOL"}
_CONTENT = {"content_digest": Array("U8", (32,))}  # digest of the input that the values were computed from


def prepared_schemas(models: Mapping[str, str]) -> dict[str, Schema]:
    """Schemas by category: the numeric outputs of the category's model, and the digest of its input.

    models: {category: name of the stage that computes its values}. The schemas of "imported {category}"
    describe the values that `vitrine cache import` writes.
    """
    prepared = {category: _outputs(model) | _CONTENT for category, model in models.items()}
    return prepared | {f"imported {category}": schema for category, schema in IMPORTED_SCHEMAS.items()}


def _outputs(model: str) -> dict[str, Array]:
    return {tensor.name: _array(tensor) for tensor in stage(model).outputs if tensor.dtype in _DTYPES}


def _array(tensor: Tensor) -> Array:
    return Array(_DTYPES[tensor.dtype], tuple(size if isinstance(size, int) else -1 for size in tensor.dims))
