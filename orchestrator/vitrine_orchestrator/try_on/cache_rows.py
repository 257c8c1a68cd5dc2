"""The try-on's rows for the cache: its categories of values, and the kinds of owners that have ids."""

from __future__ import annotations

from typing import NamedTuple

from vitrine_orchestrator.cache.key import Category
from vitrine_orchestrator.pipeline.prepared_items import Kind

OWNER_KINDS: tuple[Kind, ...] = ("person", "garment")  # owners that a caller can name by an id


class CacheRow(NamedTuple):
    """One category: the model that computes its values, and how much of it one process's memory keeps."""

    model: str
    limit: Category


# Entries: the limits of the service that Vitrine replaces (10 people a category, 100 garments, 100 texts).
# Bytes: three to four times the size of that many entries at 768 x 1024 with SDXL's widths.
ROWS = {
    "upper_body": CacheRow("prepare_person", Category(max_entries=10, max_bytes=128 * 2**20)),
    "lower_body": CacheRow("prepare_person", Category(max_entries=10, max_bytes=128 * 2**20)),
    "dresses": CacheRow("prepare_person", Category(max_entries=10, max_bytes=128 * 2**20)),
    "garment": CacheRow("prepare_garment", Category(max_entries=100, max_bytes=256 * 2**20)),
    "text": CacheRow("prepare_text", Category(max_entries=100, max_bytes=512 * 2**20)),
}
MODELS = {category: row.model for category, row in ROWS.items()}
LIMITS = {category: row.limit for category, row in ROWS.items()}
