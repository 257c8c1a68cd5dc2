"""The report of a measurement: a row per variant, dtype and number of jobs, as table and JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import torch

from vitrine_measure.engine.measure import Timed
from vitrine_measure.flops import TERA
from vitrine_measure.service.report import machine, versions

GIB = 2**30
HEADER = (
    "dtype",
    "at once",
    "variant",
    "s/picture",
    "x plain",
    "TFLOP",
    "of matmul",
    "peak GiB",
    "from plain",
)
TEXTS = (0, 2)  # columns with text


@dataclass(frozen=True)
class Row:
    """One variant. `ended` is why it has no figures; `difference` is a share of plain's largest latent."""

    dtype: str
    at_once: int
    variant: str
    tflop: float  # counted, of one picture
    seconds: tuple[float, ...] = ()  # seconds of each run, for all pictures
    peak_bytes: int | None = None
    share: float | None = None  # share of the measured rate of matrix products
    difference: float | None = None
    ended: str = ""

    @property
    def picture_s(self) -> float | None:
        """Seconds per picture: the median of the runs."""
        return median(self.seconds) / self.at_once if self.seconds else None


def row(
    name: tuple[str, int, str], flop: float, timed: Timed, rate: float, reference: np.ndarray | None
) -> Row:
    """Return the figures of a variant (dtype, jobs, name); `reference` has plain's results of some jobs."""
    finite = bool(np.isfinite(timed.latents).all())
    return Row(
        *name,
        tflop=flop / TERA,
        seconds=timed.seconds,
        peak_bytes=timed.peak_bytes,
        share=flop * name[1] / median(timed.seconds) / rate,
        difference=_difference(timed.latents, reference) if finite and reference is not None else None,
        ended="" if finite else "latents not finite",
    )


def _difference(latents: np.ndarray, reference: np.ndarray) -> float | None:
    """Compare the jobs that both have: a job of a number does not depend on the number of jobs."""
    jobs = min(len(latents), len(reference))
    largest = float(np.abs(reference[:jobs]).max())
    return float(np.abs(latents[:jobs] - reference[:jobs]).max()) / largest


@dataclass
class Report:
    """The results of one run."""

    options: dict[str, object]
    device: torch.device
    rates: dict[str, float] = field(default_factory=dict)  # dtype → FLOP a second of matrix products
    rows: list[Row] = field(default_factory=list)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def table(self) -> str:
        """Format a line per row, below the device's rates."""
        lines = [HEADER, *(self._cells(row) for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
        rates = [f"matrix products: {rate / TERA:.3g} TFLOP/s in {name}" for name, rate in self.rates.items()]
        return "\n".join([*rates, *(_line(cells, widths) for cells in lines)])

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            "options": self.options,
            "started": self.started,
            "machine": machine() | gpu(self.device),
            "versions": versions() | {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()},
            "matmul_flop_per_s": self.rates,
            "rows": [asdict(row) | {"picture_s": row.picture_s} for row in self.rows],
        }
        path.write_text(json.dumps(content, indent=1) + "\n")

    def _cells(self, row: Row) -> tuple[str, ...]:
        took, plain = row.picture_s, self._plain_s(row)
        peak = None if row.peak_bytes is None else row.peak_bytes / GIB
        return (
            row.dtype,
            str(row.at_once),
            row.variant,
            _number(took, ".3g"),
            _number(plain / took if took and plain else None, ".2f"),
            f"{row.tflop:.4g}",
            _number(row.share, ".1%"),
            _number(peak, ".1f"),
            row.ended or _number(row.difference, ".1e"),
        )

    def _plain_s(self, row: Row) -> float | None:
        """Return seconds per picture of the plain variant, with the same dtype and number of jobs."""
        same = (r for r in self.rows if (r.dtype, r.at_once, r.variant) == (row.dtype, row.at_once, "plain"))
        return next((r.picture_s for r in same), None)


def gpu(device: torch.device) -> dict[str, object]:
    """Return the GPU's name and memory; {} for the CPU."""
    if device.type != "cuda":
        return {}
    found = torch.cuda.get_device_properties(device)
    return {"gpu": found.name, "gpu_gib": round(found.total_memory / GIB, 1)}


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = (
        cell.ljust(width) if column in TEXTS else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
