"""The metrics of the memory's owner: one row each."""

from __future__ import annotations

from collections.abc import Mapping

from vitrine_orchestrator.batching.metrics import Figure
from vitrine_orchestrator.residency.owner import Owner
from vitrine_orchestrator.residency.resident import State


def _bytes(owner: Owner) -> Mapping[str, float]:
    books = owner.residency
    return {
        "budget": books.limits.budget_bytes,
        "reserve": books.limits.reserve_bytes,
        "always loaded": books.fixed_bytes,
        "models": books.taken_bytes,
    }


def _resident(owner: Owner) -> Mapping[str, float]:
    return {one.name: float(one.state is State.IN) for one in owner.residency.models.values()}


def _sizes(owner: Owner) -> Mapping[str, float]:
    return {one.name: float(one.bytes) for one in owner.residency.models.values()}


FIGURES = (
    Figure("vitrine_memory_bytes", "GAUGE", "The memory budget and its parts", _bytes, "part"),
    Figure(
        "vitrine_memory_resident", "GAUGE", "Whether a model is loaded (1) or not (0)", _resident, "stage"
    ),
    Figure("vitrine_memory_model_bytes", "GAUGE", "The most memory that a model took", _sizes, "stage"),
    Figure(
        "vitrine_memory_loads_total", "COUNTER", "Loads of models", lambda owner: {"": owner.residency.loads}
    ),
    Figure(
        "vitrine_memory_load_seconds_total",
        "COUNTER",
        "Seconds in loads of models",
        lambda owner: {"": owner.load_seconds},
    ),
    Figure(
        "vitrine_memory_waiting_seconds_total",
        "COUNTER",
        "Seconds in which at least one call waited for its model",
        lambda owner: {"": owner.waiting_seconds},
    ),
    Figure(
        "vitrine_memory_evictions_total",
        "COUNTER",
        "Models unloaded to make room",
        lambda owner: {"": owner.residency.evictions},
    ),
    Figure(
        "vitrine_memory_rests_total",
        "COUNTER",
        "Times that a model gave back the memory of its work and stayed loaded",
        lambda owner: {"": owner.residency.rests},
    ),
    Figure(
        "vitrine_memory_failures_total",
        "COUNTER",
        "Loads that failed",
        lambda owner: {"": owner.residency.failures},
    ),
    Figure(
        "vitrine_memory_refusals_total",
        "COUNTER",
        "Calls refused because their model was not loaded in time",
        lambda owner: {"": owner.residency.refusals},
    ),
    Figure(
        "vitrine_memory_waiting",
        "GAUGE",
        "Calls that wait for their model",
        lambda owner: {"": len(owner.residency.waiting)},
    ),
)
