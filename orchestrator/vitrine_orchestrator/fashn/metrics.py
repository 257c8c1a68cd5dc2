"""The metrics of FASHN VTON's program; each figure reads a FashnProgram."""

from __future__ import annotations

from vitrine_orchestrator.batching.metrics import Figure

FIGURES = (
    Figure(
        "vitrine_fashn_rows_total",
        "COUNTER",
        "Rows computed (one branch of one job in one step)",
        lambda program: {"": program.rows},
    ),
    Figure(
        "vitrine_fashn_modulations_total",
        "COUNTER",
        "Modulation rows computed (one time of one category)",
        lambda program: {"": program.modulations.computed},
    ),
    Figure(
        "vitrine_fashn_modulation_bytes",
        "GAUGE",
        "Bytes of modulation rows kept",
        lambda program: {"": program.modulations.bytes},
    ),
    Figure(
        "vitrine_fashn_first_velocities_total",
        "COUNTER",
        "First unconditional velocities looked up by seed",
        lambda program: {"hit": program.first_velocities.hits, "miss": program.first_velocities.misses},
        "result",
    ),
)
