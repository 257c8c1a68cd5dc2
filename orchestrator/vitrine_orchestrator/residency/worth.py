"""GDSF (greedy dual size with frequency): which models are worth their memory.

A model's worth is `age + uses · seconds of its load / bytes`. `age` rises to the worth of every model that
is evicted, so that a model that was used often, long ago, is evicted one day. With equal sizes and load times
and one use each it is LRU. Unlike in the paper, an evicted model keeps its uses, which fade with each use of
any model: there are few models, and one that comes back is needed as often as before. Source: Cherkasova,
"Improving WWW Proxies Performance with Greedy-Dual-Size-Frequency Caching Policy", HP Laboratories, 1998.

The memory of a model's work, which it gives back when it rests, has a worth by the same rule. It costs little
to get again, so the work of a model that is used often goes before the model, but after one that nobody uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

GIB = 2**30
WORK_S_PER_GIB = 0.1
"""Worth of the memory of a model's work, for each use. To get it again takes a second for each GiB, but only
calls that need memory at the same time pay that, and a load makes others wait (docs/residency.md)."""

FADING = 0.999  # what is left of a model's uses after the next use of any model; half after 700


class Gives(Protocol):
    """What can be given up."""

    @property
    def bytes(self) -> int:
        """The memory that this gives back."""


class Sized(Gives, Protocol):
    """What a worth is computed from."""

    @property
    def load_s(self) -> float:
        """Seconds of its load."""


class Used(Sized, Protocol):
    """What counts its uses."""

    uses: float


One = TypeVar("One", bound=Gives)


def count_use(one: Used, everyone: Iterable[Used]) -> None:
    """Count a use of one of `everyone`; the uses of all fade."""
    for other in everyone:
        other.uses *= FADING
    one.uses += 1


class Ages:
    """The age of a memory: the worth of what was evicted last."""

    def __init__(self) -> None:
        self.age = 0.0

    def worth(self, one: Sized, uses: float) -> float:
        """The worth of a model that has just been used or loaded, after so many uses."""
        return self.age + uses * one.load_s / (max(one.bytes, 1) / GIB)

    def work_worth(self, uses: float) -> float:
        """The worth of the memory of a model's work."""
        return self.age + uses * WORK_S_PER_GIB

    def evicted(self, worth: float) -> None:
        """Remember the worth of an evicted model."""
        self.age = max(self.age, worth)


def victims(candidates: Iterable[One], worth: Callable[[One], float], needed_bytes: int) -> Sequence[One]:
    """The least worthy candidates that together give `needed_bytes`; none if all of them give less.

    A candidate without which the others are enough is spared, the worthiest first.
    """
    chosen: list[One] = []
    freed = 0
    for one in sorted(candidates, key=worth):
        if freed >= needed_bytes:
            break
        chosen.append(one)
        freed += one.bytes
    if freed < needed_bytes:
        return []
    for one in reversed(chosen[:-1]):
        if freed - one.bytes >= needed_bytes:
            chosen.remove(one)
            freed -= one.bytes
    return chosen
