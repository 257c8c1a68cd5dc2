"""The try-on's rows for the cache: its categories of values, and the kinds of owners that have ids."""

from __future__ import annotations

from vitrine_orchestrator.cache.key import Category
from vitrine_orchestrator.cache.schemas import CacheRow
from vitrine_orchestrator.pipeline.prepared_items import Kind
from vitrine_orchestrator.stages.idm_vton import (
    GARMENT_CONDITIONING,
    PERSON_CONDITIONING,
    TEXT_CONDITIONING,
)
from vitrine_orchestrator.stages.table import Tensor

OWNER_KINDS: tuple[Kind, ...] = ("person", "garment")  # owners that a caller can name by an id


PERSON = (
    Tensor("image", "UINT8", (-1, -1, 3)),
    Tensor("mask", "UINT8", (-1, -1)),
    *PERSON_CONDITIONING,
    Tensor("keypoints", "FP32", (18, 3)),
)

# Entries: the limits of the service that Vitrine replaces (10 people a category, 100 garments, 100 texts).
# Bytes: three to four times the size of that many entries at 768 x 1024 with SDXL's widths.
ROWS = {
    "upper_body": CacheRow(PERSON, Category(max_entries=10, max_bytes=128 * 2**20)),
    "lower_body": CacheRow(PERSON, Category(max_entries=10, max_bytes=128 * 2**20)),
    "dresses": CacheRow(PERSON, Category(max_entries=10, max_bytes=128 * 2**20)),
    "garment": CacheRow(GARMENT_CONDITIONING, Category(max_entries=100, max_bytes=256 * 2**20)),
    "text": CacheRow(TEXT_CONDITIONING, Category(max_entries=100, max_bytes=512 * 2**20)),
}
LIMITS = {category: row.limit for category, row in ROWS.items()}
