"""What idle models can give up: the memory of their work, or all of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from vitrine_orchestrator.residency.resident import Resident, State
from vitrine_orchestrator.residency.worth import victims


@dataclass(frozen=True)
class Offer:
    """Memory that one model gives back when it rests, or what is left of it when it is unloaded."""

    one: Resident
    bytes: int
    worth: float
    leaves: bool  # it is unloaded


def rests(models: Iterable[Resident]) -> Iterator[Offer]:
    """What these models give when they rest."""
    for one in models:
        if one.can_rest:
            yield _rest(one)


def rests_to_come(models: Iterable[Resident]) -> Iterator[Offer]:
    """What these models will give when their calls under way have ended and they rest."""
    for one in models:
        if one.state is State.IN and one.leases and not one.at_rest and one.work_bytes:
            yield _rest(one)


def _rest(one: Resident) -> Offer:
    return Offer(one, one.work_bytes, min(one.work_worth, one.worth), leaves=False)


def departures(models: Iterable[Resident], rested: Collection[Resident] = ()) -> Iterator[Offer]:
    """What these models give when they are unloaded; those of `rested` beyond what their rest gives."""
    for one in models:
        left = one.takes - (one.work_bytes if one in rested else 0)
        yield Offer(one, left, one.worth, leaves=True)


def chosen(offers: Iterable[Offer], needed_bytes: int) -> tuple[list[Resident], list[Resident]]:
    """The models that rest and those that leave, the least worthy, so that `needed_bytes` are free; none if
    all offers are not enough.
    """
    # a model's rest is worth no more than the model, so it comes first and is spared first
    taken = victims(sorted(offers, key=lambda offer: offer.leaves), lambda offer: offer.worth, needed_bytes)
    leave = [offer.one for offer in taken if offer.leaves]
    return [offer.one for offer in taken if not offer.leaves and offer.one not in leave], leave


@dataclass
class Space:
    """Bytes that are free now, and bytes that unloads and rests under way will free."""

    free: int
    leaving: int

    def withhold(self, needed: int) -> None:
        """Take away what a model needs, first from what is free."""
        now = min(max(self.free, 0), needed)
        self.free -= now
        self.leaving = max(self.leaving - (needed - now), 0)
