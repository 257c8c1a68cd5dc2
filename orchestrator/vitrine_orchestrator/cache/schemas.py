"""What the arrays of each category must be, from the stage table: nothing is said twice."""

from __future__ import annotations

from vitrine_orchestrator.cache.codec import Array, Schema
from vitrine_orchestrator.cache.takeover.old_layout import IMPORTED_SCHEMAS
from vitrine_orchestrator.stages import Tensor, stage

# Which model makes the values of a category.
_MADE_BY = {
    "upper_body": "prepare_person",
    "lower_body": "prepare_person",
    "dresses": "prepare_person",
    "garment": "prepare_garment",
    "text": "prepare_text",
}
_DTYPES = {"FP32": "F32", "INT32": "I32", "INT64": "I64", "UINT8": "U8", "UINT64": "U64", "BOOL": "BOOL"}
_CONTENT = {"content_digest": Array("U8", (32,))}  # what it was made of; see try_on/prepared_items.py


def prepared_schemas() -> dict[str, Schema]:
    """Schemas by category: the numeric outputs of the model that makes them, and the content's digest.

    Those of "imported {category}" are of what `vitrine cache import` writes.
    """
    made = {category: _outputs(model) | _CONTENT for category, model in _MADE_BY.items()}
    return made | {f"imported {category}": schema for category, schema in IMPORTED_SCHEMAS.items()}


def _outputs(model: str) -> dict[str, Array]:
    return {tensor.name: _array(tensor) for tensor in stage(model).outputs if tensor.dtype in _DTYPES}


def _array(tensor: Tensor) -> Array:
    return Array(_DTYPES[tensor.dtype], tuple(size if isinstance(size, int) else -1 for size in tensor.dims))
