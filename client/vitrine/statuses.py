"""Reads the status of models from Triton's repository index and statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


NOT_LOADED = "NOT LOADED"
"""The state of a model that the repository has and nobody has asked the server to load."""

AT_REST = "at rest"
"""The place of a model that is loaded, without the memory of its work."""


@dataclass(frozen=True)
class ModelStatus:
    """One version of one model, with its statistics since it was loaded."""

    name: str
    version: str  # empty if no version is loaded
    state: str  # Triton's: READY, LOADING, UNLOADING, UNAVAILABLE; or NOT_LOADED
    reason: str  # why it is not ready; empty if it is ready
    requests: int = 0  # answered
    failures: int = 0
    executions: int = 0  # calls of the model; fewer than inferences if requests were batched
    inferences: int = 0  # rows
    mean_ms: float = 0.0  # mean time of an answered request, queue included
    queue_ms: float = 0.0  # mean time in Triton's queue
    last_inference_ms: int = 0  # since 1970-01-01 UTC; 0 for never
    place: str = ""  # where it is on a server with a memory budget, such as AT_REST; else empty
    memory_bytes: int = 0  # the most memory that it took; known with a memory budget only
    used_s_ago: float | None = None  # seconds since its last call; None: never, or not known

    @property
    def ready(self) -> bool:
        """Whether the model answers requests."""
        return self.state == "READY"

    @property
    def expected(self) -> bool:
        """Whether its state is no trouble: ready, or not loaded because nobody asked or memory is short."""
        return self.ready or self.state == NOT_LOADED or bool(self.place and not self.reason)


def read_models(index: Sequence[Json], statistics: Sequence[Json]) -> tuple[ModelStatus, ...]:
    """Return one status per version in Triton's repository index, with its statistics if there are any.

    Numbers may be strings, because protobuf writes 64-bit numbers so in JSON.
    """
    by_version = {(one.get("name", ""), str(one.get("version", ""))): one for one in statistics}
    return tuple(
        _status(one, by_version.get((one.get("name", ""), str(one.get("version", ""))), {}))
        for one in sorted(index, key=lambda one: (one.get("name", ""), str(one.get("version", ""))))
    )


def _status(index: Json, statistics: Json) -> ModelStatus:
    times = statistics.get("inference_stats", {})
    requests = _count(times, "success")
    return ModelStatus(
        name=index.get("name", ""),
        version=str(index.get("version", "")),
        state=index.get("state") or NOT_LOADED,
        reason=index.get("reason", ""),
        requests=requests,
        failures=_count(times, "fail"),
        executions=int(statistics.get("execution_count", 0)),
        inferences=int(statistics.get("inference_count", 0)),
        mean_ms=_mean_ms(times, "success"),
        queue_ms=_mean_ms(times, "queue"),
        last_inference_ms=int(statistics.get("last_inference", 0)),
    )


def _count(times: Json, name: str) -> int:
    return int(times.get(name, {}).get("count", 0))


def _mean_ms(times: Json, name: str) -> float:
    total_ns = int(times.get(name, {}).get("ns", 0))
    return total_ns / 1e6 / max(_count(times, name), 1)
