"""The cut-outs' row for the cache: the encoded pictures of an answer, and what its report says of them."""

from __future__ import annotations

from vitrine_orchestrator.cache.key import Category
from vitrine_orchestrator.cache.schemas import CacheRow
from vitrine_orchestrator.stages.table import Tensor

CUT_OUT = "cut_out"

# A cut-out of a phone's photograph is 5 to 15 MB at full size, and under 2 MB at the size of a scene.
ROWS = {
    CUT_OUT: CacheRow(
        (
            Tensor("image", "UINT8", (-1,)),  # the encoded file
            Tensor("alpha", "UINT8", (-1,)),
            Tensor("told", "UINT8", (-1,)),  # JSON: what the report says of the picture
        ),
        Category(max_entries=200, max_bytes=256 * 2**20),
    ),
}
