"""Two processes that share a folder and a store, in any order of events, against the law as a model."""

import errno
import itertools
import tempfile
from pathlib import Path

import pytest
from cache_faults import UNSYNCED, FaultyOs
from cache_mutants import MUTANTS
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from vitrine.errors import Unavailable
from vitrine_orchestrator.cache.disk import stamp
from vitrine_orchestrator.cache.disk.tier import Disk
from vitrine_orchestrator.cache.key import EVERYTHING, Key, owner
from vitrine_orchestrator.cache.memory import Memory
from vitrine_orchestrator.cache.tier import CacheCounters, Got
from vitrine_orchestrator.cache.tiered import Tiered
from vitrine_orchestrator.cache.tombstones import OwnTombstones

OWNERS = [owner("person", "1"), owner("person", "10")]
KEYS = [Key(category, who, "recipe") for who in OWNERS for category in ("upper_body", "dresses")]
key_of = st.sampled_from(KEYS)
process_of = st.integers(0, 1)


def drive(coroutine):
    """Run a coroutine that never waits; returns its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waited")


class DirectDisk(Disk):
    """The disk tier without its threads."""

    async def get(self, key):
        return self.read(key)

    async def put(self, key, value, lease):
        self._paused_until_s = 0.0  # a pause after a fault would hide all that follows
        return self.write(key, value, lease)

    async def forget(self, owner):
        self.remove(owner)


class FakeStore:
    """An object store in memory that can be down."""

    def __init__(self):
        self.values, self.tokens, self.count, self.down = {}, {}, itertools.count(), False

    def lease(self, owner):
        return f"{self.tokens.get(EVERYTHING)}/{self.tokens.get(owner)}".encode()

    async def get(self, key):
        if self.down:
            return Got(None, None)
        lease = self.lease(key.owner)
        value, made_under = self.values.get(key, (None, None))
        return Got(value if made_under == lease else None, lease)

    async def put(self, key, value, lease):
        if not self.down:
            self.values[key] = (value, lease)
        return not self.down

    async def forget(self, owner):
        if self.down:
            raise Unavailable("down")
        self.tokens[owner] = next(self.count)

    async def close(self):
        pass


class TwoProcesses(RuleBasedStateMachine):
    """The law: a get answers what was put under its key, by work begun after every earlier invalidation."""

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store, self.tombstones = FakeStore(), OwnTombstones()
        self.now = stamp.Stamp(b"b" * 16, 1000.0, 1.8e9)
        self.moments, self.numbers = itertools.count(1), itertools.count()
        self.forgotten = dict.fromkeys([*OWNERS, EVERYTHING], 0)
        self.made = {}  # number of a value: its key, and the moment its work began
        self.under_way = []
        self.processes = [self.start(), self.start()]

    def start(self):
        """One process, as far as the cache can see."""
        disk = DirectDisk(Path(self.folder.name), max_bytes=3000, clock=lambda: self.now, calls=UNSYNCED)
        memory = Memory(disk.generations, CacheCounters(), clock=lambda: self.now.uptime_s)
        return Tiered(memory, disk, self.store, self.tombstones)

    def look_up(self, process, key):
        """Get a value; a hit must be lawful.

        A miss returns what a put needs: process, key, leases, moment.
        """
        tiers, moment = self.processes[process], next(self.moments)
        found = drive(tiers.near(key))
        if found.value is None:
            found = drive(tiers.far(key, found.leases))
        if found.value is None:
            return process, key, found.leases, moment
        made_for, begun = self.made[int(found.value)]
        assert made_for == key
        assert begun > max(self.forgotten[key.owner], self.forgotten[EVERYTHING]), "stale"
        return None

    @rule()
    def look_everywhere(self):
        """Get every key, in both processes."""
        for process, key in itertools.product((0, 1), KEYS):
            self.look_up(process, key)

    @rule(process=process_of, key=key_of)
    def begin(self, process, key):
        """Begin work after a miss."""
        if miss := self.look_up(process, key):
            self.under_way.append(miss)

    @rule(index=st.integers(0, 3), length=st.sampled_from([8, 700]))
    def finish(self, index, length):
        """End work begun earlier, and put its value."""
        if self.under_way:
            process, key, leases, moment = self.under_way.pop(index % len(self.under_way))
            number = next(self.numbers)
            self.made[number] = (key, moment)
            value = str(number).zfill(length).encode()
            drive(self.processes[process].keep(key, value, leases, *leases))

    @rule(process=process_of)
    def fill(self, process):
        """Compute every key that is missing."""
        for key in KEYS:
            self.begin(process, key)
        while self.under_way:
            self.finish(-1, 8)

    @rule(process=process_of, who=st.sampled_from([*OWNERS, EVERYTHING]))
    def forget(self, process, who):
        """Invalidate, reported or queued; it holds from here on."""
        queued = drive(self.processes[process].forget(who))
        assert queued is None or self.store.down
        self.forgotten[who] = next(self.moments)

    @rule(process=process_of)
    def restart(self, process):
        """Restart a process: memory is lost, the folder stays, and running work is never put."""
        self.under_way = [work for work in self.under_way if work[0] != process]
        self.processes[process].tiers["disk"].generations.close()
        self.processes[process] = self.start()

    @rule(hours=st.sampled_from([1, 25, 100]))
    def pass_time(self, hours):
        """Let time pass, so that values may expire."""
        self.now = self.now._replace(
            uptime_s=self.now.uptime_s + 3600 * hours, wall_s=self.now.wall_s + 3600 * hours
        )

    @rule(years=st.sampled_from([-1, 1]))
    def set_the_clock(self, years):
        """Let the wall clock jump."""
        self.now = self.now._replace(wall_s=self.now.wall_s + years * 365 * 24 * 3600.0)

    @rule()
    def switch_the_store(self):
        """Stop or restart the store."""
        self.store.down = not self.store.down

    @rule(process=process_of)
    def settle(self, process):
        """Carry out what waits for the store."""
        self.processes[process]._settled_s = float("-inf")
        drive(self.processes[process].settle())

    @rule(process=process_of, fault=st.sampled_from([None, errno.ENOSPC, errno.EIO, errno.EROFS]))
    def break_the_disk(self, process, fault):
        """Make reads or writes of one process fail for a while; invalidations still reach the disk."""
        disk = self.processes[process].tiers["disk"]
        names = {"writev", "replace", "open"} if fault == errno.EIO else {"writev", "replace", "unlink"}
        disk.folder._os = UNSYNCED if fault is None else FaultyOs(fault, names=names)

    @rule(
        pick=st.integers(0, 10),
        at=st.sampled_from([-1, -5, -9, -300, 3, 20, 50, 70, 95]),
        mask=st.integers(1, 255),
    )
    def damage(self, pick, at, mask):
        """Change a byte of some file."""
        files = sorted(path for path in (Path(self.folder.name) / "entries").rglob("*") if path.is_file())
        if files:
            path = files[pick % len(files)]
            data = bytearray(path.read_bytes())
            data[max(at, -len(data))] ^= mask
            path.write_bytes(data)

    @invariant()
    def the_disk_is_within_its_limit(self):
        """Every put evicts, so the disk stays within its limit."""
        sizes = self.processes[0].tiers["disk"].sizes()
        assert sizes["bytes"] <= 3000 + 1000  # one value more while a fault keeps an eviction from deleting

    def teardown(self):
        """Delete the folder."""
        for tiers in self.processes:
            tiers.tiers["disk"].generations.close()
        self.folder.cleanup()


def run_model(seconds: float, phases=tuple(Phase)) -> None:
    """The number of examples follows the time.

    Each run draws its own: those of a fixed seed depend on the modules in memory, and may miss what the next
    ones show.
    """
    run_state_machine_as_test(
        TwoProcesses,
        settings=settings(
            max_examples=int(15 * seconds),
            stateful_step_count=40,
            deadline=None,
            derandomize=False,
            phases=phases,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_two_processes_keep_the_law(seconds):
    """No order of gets, puts, invalidations, restarts, faults and damage gives a stale or wrong answer."""
    run_model(seconds)


@pytest.mark.parametrize("mutant", ["no_generation_on_disk", "no_checksum", "no_tombstones"])
def test_the_model_sees_what_goes_wrong(mutant, monkeypatch):
    """Positive control: without a safeguard the same machine finds a counterexample, in seconds as a rule."""
    MUTANTS[mutant](monkeypatch.setattr)
    with pytest.raises((AssertionError, ValueError, KeyError, ExceptionGroup)):
        run_model(200, phases=[Phase.generate])  # without looking for the shortest
