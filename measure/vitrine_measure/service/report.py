"""What a bench found: figures with the bounds they are held to, curves, and where it all ran."""

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
    """One number of one part; with a bound it is also a verdict."""

    part: str
    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the bound is kept; None without one."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return None if self.at_least is None else self.value >= self.at_least

    @property
    def bound(self) -> str:
        """The bound as it is printed."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g}"
        return "" if self.at_least is None else f"≥ {self.at_least:g}"


@dataclass(frozen=True)
class LoadPoint:
    """One offered load, and what the answers took."""

    offered: float  # requests a second
    answered: float  # pictures a second
    p50_s: float
    p99_s: float


@dataclass
class Report:
    """Everything one run found."""

    options: dict[str, object]
    figures: list[Figure] = field(default_factory=list)
    load: list[LoadPoint] = field(default_factory=list)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)  # kind of request → seconds by stage
    memory: list[tuple[float, float]] = field(default_factory=list)  # seconds under load, MiB
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
        """One figure more."""
        self.figures.append(Figure(part, name, float(value), unit, at_most, at_least))

    def save(self, path: Path) -> None:
        """Write everything as JSON, what ran before it under the same options included."""
        path.parent.mkdir(parents=True, exist_ok=True)
        told = asdict(self) | {"machine": machine(), "versions": versions()}
        told["figures"] = [
            asdict(one) | {"met": one.met, "value": one.value if math.isfinite(one.value) else None}
            for one in self.figures
        ]
        path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")

    def table(self) -> str:
        """All figures as text, a line each."""
        return table(self.figures)


def table(figures: Sequence[Figure]) -> str:
    """Part, figure, value, unit, bound, verdict."""
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
    """Three digits that matter."""
    if not math.isfinite(value):
        return "none"
    if value == round(value):
        return f"{value:.0f}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def machine() -> dict[str, object]:
    """What the run had to itself, or not: processors, memory, and how busy it was before."""
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
    """Of everything that a figure may depend on."""
    return {
        "python": platform.python_version(),
        "triton": TRITON,
        **{name: version(name) for name in PACKAGES},
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
