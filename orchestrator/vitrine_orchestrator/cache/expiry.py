"""How long a value lives: 24 hours, twice that from 10 reads, four times from 50."""

from __future__ import annotations

BASE_S = 24 * 3600.0
_FACTORS = ((50, 4), (10, 2), (0, 1))  # (reads answered so far, factor), most reads first


def lifetime_s(reads: int) -> float:
    """Seconds that a value lives after it was put, when it has answered `reads` reads before this one.

    The read at hand does not count: with 9 reads answered, a value of 24 hours has expired. Age runs from
    the put and no read restarts it, so nothing lives longer than 96 hours in a tier.
    """
    return BASE_S * next(factor for least, factor in _FACTORS if reads >= least)


def has_expired(age_s: float, reads: int) -> bool:
    """Whether a value of this age is too old to be answered."""
    return age_s >= lifetime_s(reads)
