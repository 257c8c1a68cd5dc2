"""Amounts of memory as people write them: 24GiB, 800MiB, 1.5 GB, and Kubernetes: 24Gi."""

from __future__ import annotations

import re

from vitrine.errors import BadRequest

OFF = "off"
UNITS = {
    **{"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40},
    **{"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12},
    **{"KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40},  # as Kubernetes writes them
    **{"K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12},
}
LISTED = "KiB, MiB, GiB, TiB (or Ki, Mi, Gi, Ti: powers of 1024), KB, MB, GB, TB (or k, M, G, T: of 1000), B"
MOST = 2**63 - 1
SHOWN = 40  # characters of a wrong amount


def read_bytes(text: str) -> int:
    """The bytes of an amount; BadRequest for one that cannot be read or is not positive."""
    found = re.fullmatch(r"\s*([0-9]{1,30}(?:\.[0-9]{1,30})?)\s*([a-zA-Z]*)\s*", text)
    if found is None or found[2].upper() not in UNITS or found[2] == "m":  # Kubernetes' m is a thousandth
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
        raise BadRequest(
            f"an amount of memory must be a number and a unit, such as 24GiB, got {shown!r}; units: {LISTED}"
        )
    amount = round(float(found[1]) * UNITS[found[2].upper()])
    if not 1 <= amount <= MOST:
        raise BadRequest(f"an amount of memory must be 1 to {MOST} bytes, got {text!r}")
    return amount


def check_budget(text: str) -> None:
    """Accept "off" and amounts; BadRequest for anything else."""
    if text != OFF:
        read_bytes(text)
