"""Outline, shadow and background of a text, and how a request says them. Lengths are shares of the size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from vitrine.errors import BadRequest

from vitrine_orchestrator.lettering.values import colour_of, listed, number
from vitrine_orchestrator.placing.contrast import Colour

Effect = TypeVar("Effect", "Outline", "Shadow", "Background")
RANGES: dict[str, tuple[float, float]] = {
    "width": (0.01, 0.3),
    "dx": (-1, 1),
    "dy": (-1, 1),
    "blur": (0, 1),
    "opacity": (0, 1),
    "padding": (0, 2),
    "radius": (0, 2),
}
"""By field: least and largest value."""


@dataclass(frozen=True)
class Outline:
    """A rim around each letter."""

    width: float = 0.08
    colour: Colour | None = None  # None: black around light text, white around dark text


@dataclass(frozen=True)
class Shadow:
    """The letters again, moved and soft, behind themselves."""

    dx: float = 0.05
    dy: float = 0.05
    blur: float = 0.06  # standard deviation
    opacity: float = 0.5
    colour: Colour | None = (0, 0, 0)


@dataclass(frozen=True)
class Background:
    """A box behind the text."""

    padding: float = 0.35
    radius: float = 0.2
    opacity: float = 1.0
    colour: Colour | None = (255, 255, 255)


def effect(kind: type[Effect]) -> Callable[[str, Any], Effect | None]:
    """A reader: true is the usual effect, false none, and an object says what differs from it."""
    known = tuple(field.name for field in fields(kind))

    def read(name: str, value: Any) -> Effect | None:
        if isinstance(value, bool):
            return kind() if value else None
        if not isinstance(value, Mapping):
            raise BadRequest(f"{name} must be true, false or an object, got {str(value)[:40]!r}")
        if unknown := sorted(map(str, value.keys() - set(known))):
            raise BadRequest(f"{name} has unknown fields {listed(unknown)}; known: {', '.join(known)}")
        return kind(**{field: _read(f"{name}.{field}", field, given) for field, given in value.items()})

    return read


def _read(name: str, field: str, value: Any) -> Any:
    if field == "colour":
        return colour_of(name, value)
    return number(*RANGES[field])(name, value)
