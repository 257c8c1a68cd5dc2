"""Checks values that stand in a graph itself, and those that come by its links when a node runs."""

from __future__ import annotations

from collections.abc import Callable

from vitrine.errors import BadRequest

from vitrine_orchestrator.workflows.node_classes import NodeInput
from vitrine_orchestrator.workflows.values import Kind

MAX_TEXT = 10_000  # characters
MOST_NUMBERS = 64  # of INTS and FLOATS
LARGEST = 1e30  # fits 32 bits; NaN and infinity are not at most this


def _is_whole(value: object) -> bool:
    return type(value) is int


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _are(check: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and len(value) <= MOST_NUMBERS and all(map(check, value))


RULES: dict[Kind, tuple[str, Callable[[object], bool]]] = {
    "IMAGE": ('a link to a picture, such as ["1", 0]', lambda value: False),
    "TEXT": (f"a text of at most {MAX_TEXT} characters", lambda v: isinstance(v, str) and len(v) <= MAX_TEXT),
    "INT": ("a whole number", _is_whole),
    "FLOAT": ("a number", _is_number),
    "BOOL": ("true or false", lambda value: isinstance(value, bool)),
    "INTS": ("a list of whole numbers", _are(_is_whole)),
    "FLOATS": ("a list of numbers", _are(_is_number)),
    "JSON": ("an object, a list, or either as text", lambda v: isinstance(v, dict | list | str)),
}
"""By kind: what a value must be, in words and as a check."""


def check_literal(row: NodeInput, value: object, place: str, most: int) -> None:
    """BadRequest unless the value, or each of at most `most` where the input takes many, is of its kind."""
    if not row.literal:
        raise BadRequest(f"{place} must be {RULES['IMAGE'][0]}, got {value!r:.60}")
    values = value if row.many and isinstance(value, list) else [value]
    if len(values) > most:
        raise BadRequest(f"{place} must be at most {most} values, got {len(values)}")
    rule, check = RULES[row.kind]
    for one in values:
        if not check(one):
            raise BadRequest(f"{place} must be {rule}, got {one!r:.60}")
        if row.words and one not in row.words:
            raise BadRequest(f"{place} must be one of {', '.join(row.words)}, got {one!r:.60}")
        if row.low is None or row.high is None or not isinstance(one, int | float):
            continue
        if not row.low <= one <= row.high:
            raise BadRequest(f"{place} must be {row.low} to {row.high}, got {one!r:.60}")
