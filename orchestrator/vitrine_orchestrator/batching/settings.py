"""The limits of one denoise instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from vitrine_orchestrator.settings import BadSettings


@dataclass(frozen=True)
class DenoiseSettings:
    """Read from the `parameters` of the model's config; the defaults suit a CPU and the small checkpoint."""

    provider: str = "cpu"  # "cpu", "cuda" or "tensorrt"
    threads: int = 0  # of one step on the CPU; 0: one for each core
    spinning: str = "off"  # "on": a step of fewer rows than threads keeps its idle threads awake
    in_flight: int = 64  # jobs waiting or running; one more is refused as busy
    max_rows: int = 8  # jobs under way of one latent size
    call_rows: int = 0  # of them in one engine call; 0: all on a GPU, four for each core on the CPU
    max_running: int = 16  # jobs that hold conditioning, all latent sizes together
    garment_rows: int = 8  # timesteps of garments computed in one call, the longest that others wait for it
    garment_bytes: int = 512 * 2**20  # of garment keys and values kept

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> DenoiseSettings:
        """Triton's own parameters (upper case) are left alone; BadSettings for an unknown name or value."""
        given = {name: text for name, text in parameters.items() if name != name.upper()}
        known = {field.name: field.default for field in fields(cls)}
        if unknown := given.keys() - known.keys():
            raise BadSettings(f"unknown parameters of denoise {sorted(unknown)}; known: {sorted(known)}")
        return cls(**{name: _read(name, text, known[name]) for name, text in given.items()})  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if self.spinning not in ("on", "off"):
            raise BadSettings(f"spinning must be on or off, got {self.spinning!r}")
        for name, least in (("in_flight", 1), ("max_rows", 1), ("max_running", 1), ("garment_rows", 1)):
            if getattr(self, name) < least:
                raise BadSettings(f"{name} must be at least {least}, got {getattr(self, name)}")


def _read(name: str, text: str, default: object) -> object:
    if isinstance(default, str):
        return text
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise BadSettings(f"{name} must be a whole number, got {text!r}")
    return value
