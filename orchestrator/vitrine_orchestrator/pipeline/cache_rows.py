"""The cache's row of the notes that say which picture was last sent with an id."""

from __future__ import annotations

from vitrine_orchestrator.cache.key import SENT, Category
from vitrine_orchestrator.cache.schemas import CacheRow

# A note is a digest: some 200 bytes. It must outlive the values of its id, so there are more, without a ttl.
ROWS = {SENT: CacheRow((), Category(max_entries=10_000, max_bytes=16 * 2**20))}
