"""What a denoise instance counts, and how it reaches Triton's metrics port."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from vitrine_orchestrator.try_on.garment_cache import GarmentCache


@dataclass
class Counters:
    """Since the start, gauges apart. The loop's thread writes, any thread may read."""

    calls: Counter[int] = field(default_factory=Counter)  # denoising calls by their rows
    step_s: float = 0.0  # seconds in those calls
    jobs: Counter[str] = field(default_factory=Counter)  # by outcome: done, or the error's word
    queued: int = 0  # jobs that got a place
    queue_s: float = 0.0  # seconds they waited for it
    garment_rows: int = 0  # computed
    waiting: int = 0
    running: int = 0

    def call(self, rows: int, seconds: float) -> None:
        """One denoising call."""
        self.calls[rows] += 1
        self.step_s += seconds


class Figure(NamedTuple):
    """One metric family: `read` gives its values by the value of `label` ("" where it has none)."""

    name: str
    kind: Literal["COUNTER", "GAUGE"]
    about: str
    read: Callable[[Counters, GarmentCache], Mapping[str, float]]
    label: str = ""


FIGURES = (
    Figure(
        "vitrine_denoise_calls_total",
        "COUNTER",
        "Denoising calls of the engine, by the rows in them",
        lambda counts, _: {str(rows): calls for rows, calls in list(counts.calls.items())},
        "rows",
    ),
    Figure(
        "vitrine_denoise_step_seconds_total",
        "COUNTER",
        "Seconds in denoising calls",
        lambda counts, _: {"": counts.step_s},
    ),
    Figure(
        "vitrine_denoise_jobs_total",
        "COUNTER",
        "Jobs that ended, by outcome",
        lambda counts, _: dict(list(counts.jobs.items())),
        "outcome",
    ),
    Figure(
        "vitrine_denoise_started_total",
        "COUNTER",
        "Jobs that got a place",
        lambda counts, _: {"": counts.queued},
    ),
    Figure(
        "vitrine_denoise_queue_seconds_total",
        "COUNTER",
        "Seconds that started jobs waited for their place",
        lambda counts, _: {"": counts.queue_s},
    ),
    Figure(
        "vitrine_denoise_waiting", "GAUGE", "Jobs waiting for a place", lambda counts, _: {"": counts.waiting}
    ),
    Figure("vitrine_denoise_running", "GAUGE", "Jobs being denoised", lambda counts, _: {"": counts.running}),
    Figure(
        "vitrine_garment_rows_total",
        "COUNTER",
        "Garment rows computed (one timestep of one garment each)",
        lambda counts, _: {"": counts.garment_rows},
    ),
    Figure(
        "vitrine_garment_lookups_total",
        "COUNTER",
        "Garment rows looked up by the steps of jobs",
        lambda _, cache: {"hit": cache.hits, "miss": cache.misses},
        "result",
    ),
    Figure(
        "vitrine_garment_evictions_total",
        "COUNTER",
        "Garment rows that made room for others",
        lambda _, cache: {"": cache.evictions},
    ),
    Figure(
        "vitrine_garment_bytes", "GAUGE", "Bytes of garment rows kept", lambda _, cache: {"": cache.bytes}
    ),
)


class TritonMetrics:
    """The figures as custom metrics; `pb_utils` is triton_python_backend_utils."""

    def __init__(self, pb_utils: Any) -> None:
        self._families = {
            figure.name: pb_utils.MetricFamily(
                name=figure.name,
                description=figure.about,
                kind=getattr(pb_utils.MetricFamily, figure.kind),
            )
            for figure in FIGURES
        }
        self._metrics: dict[tuple[str, str], Any] = {}
        self._told: dict[tuple[str, str], float] = {}

    def publish(self, counters: Counters, cache: GarmentCache) -> None:
        """Tell Triton what changed since the last call."""
        for figure in FIGURES:
            for label, value in figure.read(counters, cache).items():
                key = (figure.name, label)
                change = value - self._told.get(key, 0)
                if key in self._metrics and not change:
                    continue
                metric = self._metric(figure, label)
                if figure.kind == "GAUGE":
                    metric.set(value)
                else:
                    metric.increment(change)
                self._told[key] = value

    def _metric(self, figure: Figure, label: str) -> Any:
        key = (figure.name, label)
        if key not in self._metrics:
            labels = {"model": "denoise", **({figure.label: label} if figure.label else {})}
            self._metrics[key] = self._families[figure.name].Metric(labels=labels)
        return self._metrics[key]
