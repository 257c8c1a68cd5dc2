"""The metrics of the try-on's program; each figure reads a TryOnProgram."""

from __future__ import annotations

from vitrine_orchestrator.batching.metrics import Figure

FIGURES = (
    Figure(
        "vitrine_garment_rows_total",
        "COUNTER",
        "Garment rows computed (one timestep of one garment each)",
        lambda program: {"": program.computed},
    ),
    Figure(
        "vitrine_garment_lookups_total",
        "COUNTER",
        "Garment rows looked up by the steps of jobs",
        lambda program: {"hit": program.cache.hits, "miss": program.cache.misses},
        "result",
    ),
    Figure(
        "vitrine_garment_evictions_total",
        "COUNTER",
        "Garment rows that made room for others",
        lambda program: {"": program.cache.evictions},
    ),
    Figure(
        "vitrine_garment_bytes",
        "GAUGE",
        "Bytes of garment rows kept",
        lambda program: {"": program.cache.bytes},
    ),
)
