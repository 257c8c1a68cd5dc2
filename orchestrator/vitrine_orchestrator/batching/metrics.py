"""The counters of a denoise instance, and the metrics that read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple


@dataclass
class Counters:
    """Totals since the start, and the gauges `waiting` and `running`.

    Only the loop's thread writes; any thread may read.
    """

    calls: Counter[int] = field(default_factory=Counter)  # denoising calls by their rows
    step_s: float = 0.0  # seconds in those calls
    jobs: Counter[str] = field(default_factory=Counter)  # ended jobs by outcome: done, or the error's word
    queued: int = 0  # jobs that started
    queue_s: float = 0.0  # seconds that these jobs waited in the queue
    waiting: int = 0
    running: int = 0

    def call(self, rows: int, seconds: float) -> None:
        """Count one denoising call."""
        self.calls[rows] += 1
        self.step_s += seconds


class Figure(NamedTuple):
    """One metric family: `read` returns its values by the value of `label` ("" without a label)."""

    name: str
    kind: Literal["COUNTER", "GAUGE"]
    about: str
    read: Callable[[Any], Mapping[str, float]]
    label: str = ""


FIGURES = (
    Figure(
        "vitrine_denoise_calls_total",
        "COUNTER",
        "Denoising calls of the engine, by the rows in them",
        lambda counts: {str(rows): calls for rows, calls in list(counts.calls.items())},
        "rows",
    ),
    Figure(
        "vitrine_denoise_step_seconds_total",
        "COUNTER",
        "Seconds in denoising calls",
        lambda counts: {"": counts.step_s},
    ),
    Figure(
        "vitrine_denoise_jobs_total",
        "COUNTER",
        "Jobs that ended, by outcome",
        lambda counts: dict(list(counts.jobs.items())),
        "outcome",
    ),
    Figure(
        "vitrine_denoise_started_total",
        "COUNTER",
        "Jobs that got a place",
        lambda counts: {"": counts.queued},
    ),
    Figure(
        "vitrine_denoise_queue_seconds_total",
        "COUNTER",
        "Seconds that started jobs waited for their place",
        lambda counts: {"": counts.queue_s},
    ),
    Figure(
        "vitrine_denoise_waiting", "GAUGE", "Jobs waiting for a place", lambda counts: {"": counts.waiting}
    ),
    Figure("vitrine_denoise_running", "GAUGE", "Jobs being denoised", lambda counts: {"": counts.running}),
)
