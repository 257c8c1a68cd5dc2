"""Reads the JSON of a composition's settings; every BadRequest names the setting, the rule and the value."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from vitrine.errors import BadRequest

from vitrine_orchestrator.composition.placing import check_heights
from vitrine_orchestrator.composition.settings import (
    MAX_PRODUCTS,
    NUMBERS,
    PLACEMENT_NUMBERS,
    WORDS,
    Placement,
    Settings,
)
from vitrine_orchestrator.wire.fields import one_of

MAX_JSON = 20_000  # characters
WHOLE = ("order",)
"""The numbers that must be whole."""


def read_settings(text: str | None) -> Settings:
    """The settings of a JSON object; the usual ones for None."""
    if text is None:
        return Settings()
    given = _object("settings", _parsed(text))
    _check_names("settings", given, {field.name for field in fields(Settings)})
    values: dict[str, Any] = {
        name: _number(name, given[name], *NUMBERS[name]) for name in NUMBERS.keys() & given.keys()
    }
    for name in WORDS.keys() & given.keys():
        values[name] = one_of(name, str(given[name]), WORDS[name])
    return Settings(**values, placements=_placements(given.get("placements", [])))


def _placements(given: object) -> tuple[Placement, ...]:
    if not isinstance(given, list) or len(given) > MAX_PRODUCTS:
        size = f"{len(given)} of them" if isinstance(given, list) else f"{given!r:.40}"
        raise BadRequest(f"placements must be a list of at most {MAX_PRODUCTS} objects, got {size}")
    placements = tuple(_placement(f"placements[{index}]", one) for index, one in enumerate(given))
    check_heights(placements)
    return placements


def _placement(name: str, given: object) -> Placement:
    values = _object(name, given)
    _check_names(name, values, set(PLACEMENT_NUMBERS))
    return Placement(
        **{
            key: _number(f"{name}.{key}", value, *PLACEMENT_NUMBERS[key])
            for key, value in values.items()
            if value is not None
        }
    )


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"settings must be JSON, got {text[:40]!r}: {error}") from error


def _object(name: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be a JSON object, got {value!r:.40}")
    return value


def _check_names(name: str, given: Mapping[str, object], known: set[str]) -> None:
    if unknown := sorted(given.keys() - known):
        raise BadRequest(f"{name} must have no names but {', '.join(sorted(known))}, got {unknown[0][:40]!r}")


def _number(name: str, value: object, low: float, high: float) -> Any:
    """The number; whole for WHOLE."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadRequest(f"{name} must be a number, got {value!r:.40}")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadRequest(f"{name} must be a number, got {value!r:.40}")
    if not low <= value <= high:  # before float(), which some ints overflow
        raise BadRequest(f"{name} must be {low:g} to {high:g}, got {value!r:.40}")
    if name.rpartition(".")[2] not in WHOLE:
        return float(value)
    if value != int(value):
        raise BadRequest(f"{name} must be a whole number, got {value:g}")
    return int(value)
