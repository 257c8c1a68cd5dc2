"""The books of a memory as people and the client read them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from vitrine_orchestrator.residency.policy import Residency
from vitrine_orchestrator.residency.resident import Resident


def shown(books: Residency, names: Mapping[str, str]) -> dict[str, Any]:
    """The budget and every model's place; any thread may call it. `names`: Triton's name of each model."""
    now = time.monotonic()
    return {
        "budget": books.limits.budget_bytes,
        "reserve": books.limits.reserve_bytes,
        "fixed": books.fixed_bytes,
        "taken": books.taken_bytes,
        "all_fit": books.all_fit,
        "time_ms": round(time.time() * 1000),  # since 1970-01-01 UTC
        "models": [_model(one, names.get(one.name, one.name), now) for one in books.models.values()],
    }


def _model(one: Resident, known_as: str, now: float) -> dict[str, Any]:
    return {
        "name": known_as,
        "state": one.place,
        "bytes": one.bytes,
        "rest_bytes": one.rest_bytes,
        "load_s": round(one.load_s, 3),
        "calls": one.leases,
        "used_s_ago": None if one.last_used is None else round(now - one.last_used, 1),
        "loaded_s_ago": round(now - one.loaded_at, 3) if one.is_loaded else None,
        "reason": one.reason,
    }
