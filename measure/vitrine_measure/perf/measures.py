"""Reads the results of perf_analyzer from its profile export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitrine_measure.perf.tool import PerfFailed

COLUMNS = ("run", "at once", "requests", "pictures/s", "p50 s", "p90 s", "max s", "first event s")


@dataclass(frozen=True)
class Measure:
    """One run; times in seconds from sending a request."""

    name: str
    at_once: int
    last: np.ndarray  # (requests,) until the last response, the picture
    first: np.ndarray  # (requests,) until the first response, for a stream its first event
    wall: float  # seconds from the first request to the last response
    streamed: bool

    def row(self) -> tuple[str, ...]:
        """Return the run as a line of the table with COLUMNS."""
        p50, p90, most = np.percentile(self.last, [50, 90, 100])
        figures = [f"{len(self.last) / self.wall:.3f}", *(f"{value:.3f}" for value in (p50, p90, most))]
        first = f"{np.median(self.first):.3f}" if self.streamed else "-"
        return (self.name, str(self.at_once), str(len(self.last)), *figures, first)


def read_profile(path: Path, name: str, at_once: int, streamed: bool) -> Measure:
    """Read a --profile-export-file of one experiment; PerfFailed if a request has no response."""
    profile = json.loads(path.read_text(encoding="latin-1"))  # not UTF-8, because it contains raw PNGs
    requests = profile["experiments"][0]["requests"]
    if not requests:
        raise PerfFailed(f"{name}: perf_analyzer measured no request")
    if unanswered := sum(not request["response_timestamps"] for request in requests):
        raise PerfFailed(f"{name}: {unanswered} of {len(requests)} requests went without response")
    sent = np.array([request["timestamp"] for request in requests], np.int64)
    first = np.array([request["response_timestamps"][0] for request in requests], np.int64)
    last = np.array([request["response_timestamps"][-1] for request in requests], np.int64)
    wall = float(last.max() - sent.min()) / 1e9
    return Measure(name, at_once, (last - sent) / 1e9, (first - sent) / 1e9, wall, streamed)


def table(measures: Sequence[Measure]) -> str:
    """Format the measures as text, a line each."""
    rows = [COLUMNS, *(measure.row() for measure in measures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    )
