"""Times of writing, so that a wrong wall clock neither keeps values for ever nor expires all."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux: random(4); the same for every process of a boot
_UNKNOWN = bytes(16)  # no such file: ages come from the wall clock only


class Stamp(NamedTuple):
    """A time: compared by uptime within one boot, and by the wall clock across boots.

    boot: 16 bytes, new with each boot. uptime_s: seconds since boot, sleep included. wall_s: Unix time.
    """

    boot: bytes
    uptime_s: float
    wall_s: float


def now() -> Stamp:
    """The present moment."""
    return Stamp(_boot(), time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


def age_s(written: Stamp, at: Stamp) -> float:
    """Seconds from `written` to `at`; negative if `written` is in the future by the wall clock."""
    if written.boot == at.boot != _UNKNOWN:
        return at.uptime_s - written.uptime_s
    return at.wall_s - written.wall_s


@cache
def _boot() -> bytes:
    try:
        return UUID(_BOOT_ID.read_text(encoding="utf-8").strip()).bytes
    except (OSError, ValueError):
        return _UNKNOWN
