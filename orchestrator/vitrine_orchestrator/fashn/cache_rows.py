"""FASHN VTON's rows for the cache: its categories of values, their tensors, and how many memory keeps."""

from __future__ import annotations

from vitrine_orchestrator.cache.key import Category
from vitrine_orchestrator.cache.schemas import CacheRow
from vitrine_orchestrator.stages.fashn import GARMENT_CONDITIONING, PERSON_CONDITIONING, PERSON_PLACES
from vitrine_orchestrator.stages.table import Tensor

PERSON, GARMENT = "fashn_person", "fashn_garment"


# Two byte pictures on a canvas of 576 x 864 are 2 MB. A person serves all categories, so there is one row.
ROWS = {
    PERSON: CacheRow(
        (*PERSON_CONDITIONING, Tensor("keypoints", "FP32", (18, 3)), *PERSON_PLACES),
        Category(max_entries=30, max_bytes=128 * 2**20),
    ),
    GARMENT: CacheRow(GARMENT_CONDITIONING, Category(max_entries=100, max_bytes=256 * 2**20)),
}
