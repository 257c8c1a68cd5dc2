"""Who is loaded, who is evicted and who waits. No input or output here: events come in, decisions go out.

A lease is held for one call of one model, and such a call waits for no other lease. So whoever waits holds
nothing, whoever holds something ends by itself, and two pipelines cannot block each other with half of what
each needs. A pipeline that is larger than the budget passes through it stage by stage.

An idle model whose process can rest keeps the memory of its work until somebody needs it. At rest it is still
loaded; its next call needs room for the work, and waits for nothing else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping

from vitrine.errors import Busy, Unavailable, VitrineError

from vitrine_orchestrator.residency.offers import Offer, Space, chosen, departures, rests, rests_to_come
from vitrine_orchestrator.residency.resident import Decisions, Key, Lease, Limits, Resident, State
from vitrine_orchestrator.residency.worth import Ages, count_use

MIB = 2**20
SOON_S = 10.0  # a model that was announced and not called within this time is an ordinary one again


class Residency:
    """The books of one memory. After every event the owner calls `decide` and does what it says."""

    def __init__(
        self, models: Iterable[Resident], limits: Limits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`models` in the order in which they are loaded at the start, as long as there is room."""
        self.models = {one.name: one for one in models}
        self.limits, self._clock = limits, clock
        self.fixed_bytes = 0  # memory of what is never unloaded
        self.loads = self.evictions = self.rests = self.failures = self.refusals = 0
        self._ages = Ages()
        self._leases: dict[Key, Lease] = {}
        self._soon: dict[str, float] = {}  # announced models → until when
        self._first = list(self.models)  # those that were never loaded, in loading order

    @property
    def room_bytes(self) -> int:
        """What the models may take together."""
        return self.limits.budget_bytes - self.limits.reserve_bytes - self.fixed_bytes

    @property
    def taken_bytes(self) -> int:
        """What the models are charged now."""
        return sum(one.takes for one in self.models.values())

    @property
    def all_fit(self) -> bool:
        """Whether every model is loaded and has room for its work, so that nobody needs a lease."""
        everyone = self.models.values()
        all_in = all(one.state is State.IN and not one.closed for one in everyone)
        return all_in and sum(one.bytes for one in everyone) <= self.room_bytes

    @property
    def waiting(self) -> list[Lease]:
        """The leases that wait, the oldest first."""
        return [lease for lease in list(self._leases.values()) if not lease.granted]

    def ask(self, key: Key, model: str) -> None:
        """Ask for a lease; `decide` grants or refuses it."""
        self._leases[key] = Lease(key, self.models[model], self._clock())

    def hold(self, key: Key, model: str) -> None:
        """Note a call that has begun without a lease, while all models fitted."""
        lease = Lease(key, self.models[model], self._clock())
        self._leases[key] = lease
        self._grant(lease)

    def give_back(self, key: Key) -> None:
        """End a lease, or a wait for one; nothing happens if there is none."""
        lease = self._leases.pop(key, None)
        if lease is not None and lease.granted:
            lease.model.leases -= 1
            lease.model.last_used = self._clock()

    def announce(self, models: Iterable[str]) -> None:
        """Note models that a request under way will call soon."""
        until = self._clock() + SOON_S
        self._soon |= {name: until for name in models if name in self.models}

    def loaded(self, name: str, seconds: float | None = None, taken: int = 0) -> None:
        """A model is resident. `seconds` of its load, if known; `taken` bytes at most until now."""
        one = self.models[name]
        one.state, one.failures, one.reason, one.not_before = State.IN, 0, "", 0.0
        one.at_rest = False
        one.bytes = max(one.bytes, taken) if one.measured or not taken else taken
        one.loaded_at = self._clock()
        if seconds is not None:
            one.load_s, one.measured = max(seconds, 1e-3), True
            self.loads += 1
        self._value(one)

    def load_failed(self, name: str, reason: str) -> None:
        """A load failed. It is tried again, after a pause that grows."""
        one = self.models[name]
        one.state, one.reason = State.OUT, reason
        one.failures += 1
        self.failures += 1
        late = one.failures - 1 - self.limits.retries
        if late >= 0:
            pauses = self.limits.backoff_s
            one.not_before = self._clock() + pauses[min(late, len(pauses) - 1)]

    def unloaded(self, name: str) -> None:
        """A model has given its memory back."""
        self.models[name].state, self.models[name].at_rest = State.OUT, False

    def can_rest(self, name: str, taken: int | None) -> None:
        """The process of a model can rest, and takes that much then; None: it cannot, or not any more."""
        one = self.models[name]
        one.rest_bytes = taken
        if taken is None:
            one.at_rest = False
            one.state = State.IN if one.state is State.RESTING else one.state

    def rested(self, name: str, taken: int) -> None:
        """A model that was told to rest has given back what it could, and takes that much."""
        one = self.models[name]
        if one.state is State.RESTING:
            one.state, one.at_rest, one.rest_bytes = State.IN, True, taken

    def measured(self, fixed_bytes: int, taken: Mapping[str, int]) -> None:
        """What is never unloaded, and each resident model, took that much at most since the last call.

        The fixed part falls slowly: what it took once it soon takes again.
        """
        self.fixed_bytes = max(fixed_bytes, self.fixed_bytes - (self.fixed_bytes - fixed_bytes) // 50)
        for name, most in taken.items():
            self.models[name].bytes = max(self.models[name].bytes, most)

    def decide(self) -> Decisions:
        """What follows from all events until now."""
        decisions, now = Decisions(), self._clock()
        self._soon = {name: until for name, until in self._soon.items() if until > now}
        if self.all_fit:  # leases are no longer asked for: whatever rests may work
            for one in self.models.values():
                one.at_rest = False
        for lease in self.waiting:
            if error := self._refusal(lease, now):
                del self._leases[lease.key]
                self.refusals += 1
                decisions.refused.append((lease.key, error))
            elif lease.model.may_work:
                self._grant(lease)
                decisions.granted.append(lease.key)
        self._place(decisions, now)
        return decisions

    def _grant(self, lease: Lease) -> None:
        one = lease.model
        lease.granted = True
        one.leases += 1
        count_use(one, self.models.values())
        one.last_used = self._clock()
        self._value(one)
        self._soon.pop(one.name, None)

    def _value(self, one: Resident) -> None:
        """Note the worth of a model that was used or loaded."""
        one.worth = self._ages.worth(one, one.uses)
        one.work_worth = self._ages.work_worth(one.uses)

    def _refusal(self, lease: Lease, now: float) -> VitrineError | None:
        """Why a lease that waits is refused now; None if it may go on."""
        one, waited = lease.model, now - lease.asked
        if one.state is State.OUT and one.not_before > now:
            pause = math.ceil(one.not_before - now)
            return Unavailable(f"model {one.name} could not be loaded ({one.reason}); next try in {pause} s")
        most = self.limits.budget_bytes - self.limits.reserve_bytes  # if nothing else took memory
        if one.bytes > most and one.needs:
            return Unavailable(
                f"model {one.name} needs {one.bytes // MIB} MiB, and the memory budget "
                f"leaves {most // MIB} MiB"
            )
        if waited > self.limits.wait_s and not (one.state is State.LOADING or one.may_work):
            again = math.ceil(max(one.load_s, 1.0))
            return Busy(f"no memory for model {one.name} within {waited:.0f} s; try again in {again} s")
        return None

    def _place(self, decisions: Decisions, now: float) -> None:
        """Begin loads that fit, the oldest wish first, and evictions for those that do not fit yet."""
        for one in self.models.values():
            one.closed = False
        asked = {lease.model.name: lease.asked for lease in reversed(self.waiting)}
        wanted = sorted(asked, key=lambda name: asked[name])
        space = Space(
            free=self.room_bytes - self.taken_bytes,
            leaving=sum(one.leaving_bytes for one in self.models.values()),
        )
        for name in wanted:
            self._make_room(decisions, self.models[name], space, now, now - asked[name])
        if not any(self.models[name].needs for name in wanted):
            for name in (name for name in self._soon if self.models[name].state is State.OUT):
                self._make_room(decisions, self.models[name], space, now, 0.0)
            self._load_first(decisions, space)
        if space.free + space.leaving < 0:
            self._shrink(decisions, -space.free - space.leaving)

    def _make_room(
        self, decisions: Decisions, one: Resident, space: Space, now: float, waited: float
    ) -> None:
        """Load a model, or let one at rest work, if there is room; or else have others make it.

        What it needs is withheld from all that follow it, so that smaller ones do not overtake it.
        """
        needed = one.needs
        if one.state not in (State.OUT, State.IN) or not needed or one.not_before > now:
            return
        if needed <= space.free:
            self._let_in(decisions, one)
        elif (short := needed - space.free - space.leaving) > 0:
            space.leaving += self._free(decisions, one, short, now, waited)
        space.withhold(needed)

    def _let_in(self, decisions: Decisions, one: Resident) -> None:
        """Load a model, or grant the leases that wait for one at rest."""
        if one.state is State.OUT:
            self._load(decisions, one)
            return
        one.at_rest = False
        for lease in (lease for lease in self.waiting if lease.model is one):
            self._grant(lease)
            decisions.granted.append(lease.key)

    def _load(self, decisions: Decisions, one: Resident) -> None:
        loading = sum(other.state is State.LOADING for other in self.models.values())
        if loading < self.limits.loads_at_once:
            one.state = State.LOADING
            decisions.load.append(one.name)

    def _load_first(self, decisions: Decisions, space: Space) -> None:
        """Load the models that were to be loaded at the start, as long as there is room."""
        self._first = [name for name in self._first if self.models[name].state is State.OUT]
        for one in (self.models[name] for name in self._first):
            if one.failures:
                continue
            if one.bytes <= space.free:
                self._load(decisions, one)
                space.withhold(one.bytes)
            elif (short := one.bytes - space.free - space.leaving) > 0:
                space.leaving += self._give_up(decisions, *chosen(self._rests(self._needed_soon), short))

    @property
    def _needed_soon(self) -> set[str]:
        return {lease.model.name for lease in self.waiting} | self._soon.keys()

    def _rests(self, spared: set[str]) -> list[Offer]:
        """What idle models give when they rest."""
        return list(rests(one for one in self.models.values() if one.name not in spared))

    def _free(self, decisions: Decisions, wish: Resident, needed: int, now: float, waited: float) -> int:
        """Have the least worthy idle models rest or leave, if that is enough; the bytes that will be free.

        None leaves as long as the calls under way of models that then rest may do instead: most end within
        milliseconds. Who has waited as long as the load takes that this spares waits no longer.

        If idle models are not enough for somebody whose patience has ended, models in use are closed: they
        end their calls, take no new ones, and then rest or leave.
        """
        patient = self.limits.is_patient(waited, wish.load_s if wish.state is State.OUT else 0.0)
        soon = self._needed_soon
        models = [one for one in self.models.values() if one is not wish]
        inside = [one for one in models if one.state is State.IN and not one.closed]
        kept = {one.name for one in inside if one.loaded_at + self.limits.keep_s > now or one.name in soon}
        is_ahead = all(lease.model is not wish for lease in self.waiting)
        rest = self._rests(soon if is_ahead else set())
        idle = [one for one in inside if one.is_idle and not (patient and one.name in kept)]
        offers = [*rest, *departures(idle, {offer.one for offer in rest})]
        resting, leaving = chosen(offers, needed)
        if leaving and waited < min(one.load_s for one in leaving):
            later, fewer = chosen([*offers, *rests_to_come(inside)], needed)
            if set(fewer) < set(leaving):
                resting, leaving = [one for one in later if one.can_rest], fewer
        if not resting and not leaving and not patient:
            resting, leaving = chosen(departures(inside), needed)
        return self._give_up(decisions, resting, leaving)

    def _give_up(self, decisions: Decisions, resting: list[Resident], leaving: list[Resident]) -> int:
        """Have models rest and leave; the bytes that will be free."""
        freed = sum(one.work_bytes for one in resting) + sum(one.takes for one in leaving)
        for one in resting:
            one.state = State.RESTING
            self.rests += 1
            decisions.rest.append(one.name)
        for one in leaving:
            self._unload(decisions, one)
        return freed

    def _unload(self, decisions: Decisions, one: Resident) -> None:
        """Unload an idle model, and close one in use."""
        one.closed = True
        if one.is_idle:
            one.state = State.LEAVING
            self._ages.evicted(one.worth)
            self.evictions += 1
            decisions.unload.append(one.name)

    def _shrink(self, decisions: Decisions, needed: int) -> None:
        """Have idle models rest or leave, even if they are not enough: more is taken than allowed."""
        idle = [one for one in self.models.values() if one.is_idle and not one.closed]
        offers = [*self._rests(set()), *departures(idle, [one for one in idle if one.can_rest])]
        self._give_up(decisions, *chosen(offers, min(needed, sum(offer.bytes for offer in offers))))
