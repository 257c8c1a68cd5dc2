"""The report of a bench: figures with their bounds, curves, and the machine and versions of the run."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("vitrine", "onnxruntime", "torch", "diffusers", "numpy", "tritonclient")
TRITON = "2.51.0 (nvidia-pytriton 0.7.0)"


@dataclass(frozen=True)
class Figure:
    """One measured number; `at_most` or `at_least` is the bound that it should meet."""

    part: str
    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the value meets its bound; None without a bound."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    @property
    def bound(self) -> str:
        """The bound as text, for example "≤ 1.15"; "" without a bound."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return "" if self.at_least is None else f"≥ {self.at_least:g}"


@dataclass(frozen=True)
class LoadPoint:
    """The latency at one offered load."""

    offered: float  # requests per second
    answered: float  # pictures per second
    p50_s: float
    p99_s: float


@dataclass
class Report:
    """The results of one run."""

    options: dict[str, object]
    figures: list[Figure] = field(default_factory=list)
    load: list[LoadPoint] = field(default_factory=list)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)  # kind of request → seconds by stage
    memory: list[tuple[float, float]] = field(default_factory=list)  # (seconds under load, MiB)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def add(
        self,
        part: str,
        name: str,
        value: float,
        unit: str,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """Add one figure."""
        self.figures.append(Figure(part, name, float(value), unit, at_most, at_least))

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = asdict(self) | {"machine": machine(), "versions": versions()}
        content["figures"] = [
            asdict(one) | {"met": one.met, "value": one.value if math.isfinite(one.value) else None}
            for one in self.figures
        ]
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def table(self) -> str:
        """Format all figures as `table` does."""
        return table(self.figures)


def table(figures: Sequence[Figure]) -> str:
    """Format figures as text, a line each: part, figure, value, unit, bound, verdict."""
    verdicts = {True: "met", False: "NOT met", None: ""}
    rows = [
        (one.part, one.name, number(one.value), one.unit, one.bound, verdicts[one.met]) for one in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(6)] if rows else []
    return "\n".join(
        "  ".join(
            text.rjust(width) if column == 2 else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def number(value: float) -> str:
    """Format a number with three significant digits; "none" for infinity and NaN."""
    if not math.isfinite(value):
        return "none"
    if value == round(value):
        return f"{value:.0f}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def machine() -> dict[str, object]:
    """Return the processor, cores, memory, system and load average of this machine."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    memory = next(
        (int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": os.getloadavg(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, Triton and the packages that a figure may depend on."""
    return {
        "python": platform.python_version(),
        "triton": TRITON,
        **{name: version(name) for name in PACKAGES},
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
