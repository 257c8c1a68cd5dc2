"""The limits of one denoise instance."""

from __future__ import annotations

from dataclasses import dataclass

from vitrine_orchestrator.settings import BadSettings


@dataclass(frozen=True)
class DenoiseSettings:
    """How many jobs may wait, run and share calls. The defaults suit a CPU and the paper-doll checkpoint."""

    in_flight: int = 64  # jobs waiting or running; one more is refused as busy
    max_rows: int = 8  # running jobs of one group; more wait
    call_rows: int = 0  # jobs in one call; 0: all on a GPU, four for each core on the CPU
    max_running: int = 16  # running jobs of all groups, which hold their conditioning; more wait

    def __post_init__(self) -> None:
        for name, least in (("in_flight", 1), ("max_rows", 1), ("call_rows", 0), ("max_running", 1)):
            if getattr(self, name) < least:
                raise BadSettings(f"{name} must be at least {least}, got {getattr(self, name)}")
