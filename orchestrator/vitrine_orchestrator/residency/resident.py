"""What is known about each model that can be loaded and unloaded, and about each lease of one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum

from vitrine.errors import VitrineError
from vitrine.statuses import AT_REST

Key = tuple[int, int]
"""A lease: who asks, and the number that it gives the call."""


class State(StrEnum):
    """Where a model is."""

    OUT = "unloaded"
    LOADING = "loading"
    IN = "resident"
    RESTING = "going to rest"
    LEAVING = "unloading"


@dataclass(eq=False)
class Resident:
    """One model: its size, its place, its use."""

    name: str
    bytes: int  # the most memory that it took, its load and its work included; at first an estimate
    load_s: float = 1.0  # seconds of its last load; at first an estimate
    state: State = State.OUT
    leases: int = 0  # calls under way
    uses: float = 0.0  # leases; old ones count less, see worth.py
    worth: float = 0.0  # of having it loaded: see worth.py
    work_worth: float = 0.0  # of leaving it the memory of its work
    rest_bytes: int | None = None  # what it takes at rest; None: it cannot rest
    at_rest: bool = False  # loaded, and without the memory of its work
    last_used: float | None = None  # on the policy's clock
    closed: bool = False  # takes no new lease until it has been evicted
    loaded_at: float = -math.inf  # on the policy's clock: when it was loaded last, or found to be loaded
    failures: int = 0  # failed loads in a row
    not_before: float = 0.0  # no load is tried before
    reason: str = ""  # why the last load failed
    measured: bool = False  # whether `bytes` and `load_s` are no estimates

    @property
    def may_work(self) -> bool:
        """Whether its calls need nothing more."""
        return self.state is State.IN and not self.closed and not self.needs

    @property
    def is_idle(self) -> bool:
        """Whether it could be unloaded now."""
        return self.state is State.IN and self.leases == 0

    @property
    def is_loaded(self) -> bool:
        """Whether Triton has it."""
        return self.state in (State.IN, State.RESTING)

    @property
    def can_rest(self) -> bool:
        """Whether it could be told to rest now, and would give something back."""
        return self.is_idle and not self.at_rest and self.work_bytes > 0

    @property
    def work_bytes(self) -> int:
        """The bytes that it gives back when it rests, and needs again for its next call."""
        return max(self.bytes - self.rest_bytes, 0) if self.rest_bytes is not None else 0

    @property
    def takes(self) -> int:
        """The bytes that it is charged now."""
        if self.state is State.OUT:
            return 0
        return self.bytes - self.work_bytes if self.at_rest else self.bytes

    @property
    def needs(self) -> int:
        """The bytes that its next call needs beyond those that it is charged."""
        return self.bytes - self.takes

    @property
    def leaving_bytes(self) -> int:
        """The bytes that it is about to give back."""
        if self.state is State.RESTING:
            return self.work_bytes
        return self.takes if self.state is State.LEAVING else 0

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return AT_REST if self.state is State.IN and self.at_rest else str(self.state)


@dataclass(eq=False)
class Lease:
    """One call that waits for a model or runs on it."""

    key: Key
    model: Resident
    asked: float
    granted: bool = False


@dataclass
class Decisions:
    """What is to be done now."""

    granted: list[Key] = field(default_factory=list)
    refused: list[tuple[Key, VitrineError]] = field(default_factory=list)
    load: list[str] = field(default_factory=list)
    unload: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Limits:
    """The limits of a residency; patience is half of the longest wait at most."""

    budget_bytes: int
    reserve_bytes: int = 0  # kept free for the work of what is always loaded
    wait_s: float = 30.0  # a lease that waits longer is refused
    patience_s: float = 1.0  # after this long, models in use take no new calls and make room,
    patience_loads: float = 4.0  # or after this many times the load that is waited for, where that is longer
    keep_s: float = 2.0  # a model is not evicted sooner than this after its load
    loads_at_once: int = 1
    backoff_s: tuple[float, ...] = (1.0, 5.0, 30.0)  # pauses after failed loads in a row; the last repeats
    retries: int = 1  # loads that are tried again at once, before anybody is refused

    def is_patient(self, waited: float, load_s: float) -> bool:
        """Whether somebody who has waited that long for a load of `load_s` lets others finish and begin."""
        patience = max(self.patience_s, self.patience_loads * load_s)
        return waited < min(patience, self.wait_s / 2)
