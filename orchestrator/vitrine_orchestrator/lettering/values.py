"""Reads numbers and colours of requests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from vitrine.errors import BadRequest

from vitrine_orchestrator.placing.contrast import Colour

NAMES: dict[str, Colour] = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
    "red": (214, 40, 40),
    "orange": (240, 130, 30),
    "yellow": (250, 215, 50),
    "green": (40, 140, 70),
    "blue": (35, 95, 200),
    "purple": (120, 60, 170),
    "pink": (240, 120, 160),
    "brown": (115, 75, 45),
}
"""Colours by name; any other is written #rrggbb or #rgb."""
_FORM = re.compile(r"#(?:[0-9a-fA-F]{6}|[0-9a-fA-F]{3})")


def number(least: float, most: float) -> Callable[[str, object], float]:
    """A reader of numbers in a range; BadRequest names the input, the rule and the value."""

    def read(name: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRequest(f"{name} must be a number, got {str(value)[:40]!r}")
        if not least <= value <= most:  # false for NaN too
            raise BadRequest(f"{name} must be {least:g} to {most:g}, got {str(value)[:40]}")
        return float(value)

    return read


def listed(names: Iterable[str]) -> str:
    """Names of a request for a message, which is cut; half a character pair is written as its code."""
    return ", ".join(names).encode("utf-8", "backslashreplace").decode()[:80]


def colour_of(name: str, value: object) -> Colour:
    """The colour of a request; BadRequest names the input, the rule and the value."""
    if isinstance(value, str) and value in NAMES:
        return NAMES[value]
    if not (isinstance(value, str) and _FORM.fullmatch(value)):
        raise BadRequest(f"{name} must be #rrggbb or one of {', '.join(NAMES)}, got {str(value)[:40]!r}")
    digits = value[1:] if len(value) == 7 else "".join(digit * 2 for digit in value[1:])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def written(colour: Colour) -> str:
    """A colour as #rrggbb."""
    return f"#{bytes(colour).hex()}"
