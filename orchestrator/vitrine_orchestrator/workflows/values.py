"""What travels along a workflow's links, and the kinds that a node's inputs and outputs have."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

Kind = Literal["IMAGE", "TEXT", "INT", "FLOAT", "BOOL", "INTS", "FLOATS", "JSON"]


@dataclass(frozen=True, eq=False)
class Image:
    """An encoded picture; with transparency it is a PNG or WebP."""

    encoded: bytes

    @cached_property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the file."""
        return hashlib.sha256(self.encoded).hexdigest()


Plain: TypeAlias = str | int | float | bool | list[Any] | dict[str, Any]
Value: TypeAlias = Image | Plain
Given: TypeAlias = Value | list[Value]
"""What an input gets: a value, or several for an input that takes many."""

FITS: dict[Kind, tuple[Kind, ...]] = {"FLOAT": ("INT",)}
"""Kinds of outputs that an input of another kind takes as well."""


def fits(output: Kind, wanted: Kind) -> bool:
    """Whether a link may lead from an output of one kind to an input of another."""
    return output == wanted or output in FITS.get(wanted, ())


def told(value: Given) -> object:
    """A value as JSON can hold it, the digest for a picture: equal values, and no others, are equal."""
    if isinstance(value, Image):
        return {"sha256": value.digest}
    if isinstance(value, list):
        return [told(one) for one in value]
    return value


def key_of(*parts: object) -> str:
    """64 hexadecimal digits that no other parts have; parts are what JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def size_of(values: Sequence[Value]) -> int:
    """The bytes that values take, about."""
    return sum(len(one.encoded) if isinstance(one, Image) else len(str(one)) for one in values)
