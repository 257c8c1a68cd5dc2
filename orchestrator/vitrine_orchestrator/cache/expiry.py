"""The time to live (ttl) of a value: 24 hours, twice that after 10 reads, four times after 50."""

from __future__ import annotations

BASE_S = 24 * 3600.0
_FACTORS = ((50, 4), (10, 2), (0, 1))  # (reads answered so far, factor), most reads first


def lifetime_s(reads: int) -> float:
    """The ttl in seconds, counted from the put, of a value that has answered `reads` reads so far.

    The current read does not count: after 9 reads, a value that is 24 hours old has expired. Reads do not
    restart the age, so no value lives longer than 96 hours in a tier.
    """
    return BASE_S * next(factor for least, factor in _FACTORS if reads >= least)


def has_expired(age_s: float, reads: int) -> bool:
    """Whether a value of this age (seconds) has passed its ttl."""
    return age_s >= lifetime_s(reads)
