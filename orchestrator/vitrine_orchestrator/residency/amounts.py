"""Amounts of memory as people write them: 24GiB, 800MiB, 1.5 GB."""

from __future__ import annotations

import re

from vitrine.errors import BadRequest

OFF = "off"
UNITS = {
    **{"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40},
    **{"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12},
}


def read_bytes(text: str) -> int:
    """The bytes of an amount; BadRequest for one that cannot be read or is not positive."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text)
    if found is None or found[2].upper() not in UNITS:
        raise BadRequest(f"an amount of memory must be a number and a unit, such as 24GiB, got {text!r}")
    amount = round(float(found[1]) * UNITS[found[2].upper()])
    if amount < 1:
        raise BadRequest(f"an amount of memory must be at least 1 byte, got {text!r}")
    return amount


def check_budget(text: str) -> None:
    """Accept "off" and amounts; BadRequest for anything else."""
    if text != OFF:
        read_bytes(text)
