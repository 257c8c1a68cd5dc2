"""The disk tier: what survives a restart, what is evicted first, how ages are measured, and who may read."""

import errno
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cache_faults import FaultyOs
from vitrine_orchestrator.cache.disk import stamp
from vitrine_orchestrator.cache.disk.envelope import HEADER_BYTES
from vitrine_orchestrator.cache.disk.process import own_name
from vitrine_orchestrator.cache.disk.tier import Disk
from vitrine_orchestrator.cache.expiry import BASE_S
from vitrine_orchestrator.cache.key import EVERYTHING, Key, owner

YEAR_S = 365 * 24 * 3600.0
BOOT, NEXT_BOOT = b"b" * 16, b"c" * 16


class Clock:
    """A clock that the test sets."""

    def __init__(self):
        self.at = stamp.Stamp(BOOT, 5000.0, 1.8e9)

    def __call__(self):
        return self.at

    def pass_time(self, seconds, wall=None, boot=None):
        """Let time pass; `wall` is the change of the wall clock where it differs."""
        _, uptime_s, wall_s = self.at
        passed = seconds if wall is None else wall
        self.at = stamp.Stamp(boot or self.at.boot, uptime_s + seconds, wall_s + passed)


def key(name: object = "coat") -> Key:
    return Key("garment", owner("garment", str(name)), "latents")


def put(disk: Disk, value: bytes = b"value", which: Key | None = None) -> bool:
    which = which or key()
    return disk.write(which, value, disk.read(which).lease)


def value(disk: Disk, which: Key | None = None) -> bytes | None:
    return disk.read(which or key()).value


def files(root: Path, folder: str = "entries") -> list[Path]:
    return [path for path in (root / folder).rglob("*") if not path.is_dir()]


def test_a_restart_keeps_values(tmp_path):
    """A process that opens the folder finds the values of the one before."""
    put(Disk(tmp_path))
    assert value(Disk(tmp_path)) == b"value"


def test_other_users_cannot_read(tmp_path):
    """Directories have mode 0700 and files 0600, whatever the umask and the folder's mode before."""
    before = os.umask(0)
    try:
        (tmp_path / "cache").mkdir(mode=0o777)
        put(Disk(tmp_path / "cache"))
    finally:
        os.umask(before)
    for path in [tmp_path / "cache", *(tmp_path / "cache").rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_no_id_leaves_the_folder(tmp_path):
    """File names are digests, whatever the id."""
    disk = Disk(tmp_path / "cache")
    for name in ("../../x", "/etc/passwd", "a/b", "\0", "x" * 10_000):
        put(disk, which=key(name))
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert all(re.fullmatch("[0-9a-f]{32}-[0-9a-f]{32}", path.name) for path in files(tmp_path / "cache"))
    assert len(files(tmp_path / "cache")) == 5


def test_the_least_recently_used_leave_down_to_nine_tenths(tmp_path):
    """Above the limit the least recently used files are removed, in every process's count."""
    clock = Clock()
    size = 1000 - HEADER_BYTES
    disk = Disk(tmp_path, max_bytes=10_000, clock=clock)
    for n in range(10):
        clock.pass_time(1)
        put(disk, bytes(size), key(n))
    clock.pass_time(1)
    assert value(disk, key(0)) is not None  # a use
    clock.pass_time(1)
    put(disk, bytes(size), key(10))
    assert disk.sizes() == {"entries": 9, "bytes": 9000}
    assert [n for n in range(11) if value(disk, key(n)) is None] == [1, 2]
    assert disk.counters["evictions"] == 2
    assert disk.space.used() == 9000


def test_a_lowered_limit_evicts_at_the_next_start(tmp_path):
    """A folder opened with a smaller limit shrinks to nine tenths of it."""
    disk = Disk(tmp_path)
    for n in range(20):
        put(disk, bytes(1000 - HEADER_BYTES), key(n))
    assert Disk(tmp_path, max_bytes=5000).sizes() == {"entries": 4, "bytes": 4000}


def test_the_sum_is_mended_at_the_start(tmp_path):
    """A wrong sum left by a killed process is recounted at the next start."""
    disk = Disk(tmp_path)
    put(disk, bytes(1000))
    disk.space.reserve(-77, 0.0)
    assert Disk(tmp_path).space.used() == 1000 + HEADER_BYTES


def test_two_processes_share_one_sum(tmp_path):
    """Puts of both processes count, so the limit holds for both together."""
    one, other = (Disk(tmp_path, max_bytes=10_000) for _ in range(2))
    for n in range(30):
        put(one if n % 2 else other, bytes(1000 - HEADER_BYTES), key(n))
        assert one.sizes()["bytes"] <= 10_000
    assert one.space.used() == other.space.used() >= one.sizes()["bytes"]


def test_a_put_counts_before_it_writes(tmp_path):
    """A death in between leaves the sum too high, which costs a recount, and never too low."""
    disk = Disk(tmp_path)
    disk.folder._os = FaultyOs(errno.EIO, names={"replace"})
    assert not put(disk, bytes(1000))
    assert disk.sizes()["bytes"] == 0
    assert disk.space.used() == 1000 + HEADER_BYTES


def test_a_value_larger_than_the_limit_is_not_kept(tmp_path):
    """The value is not written, and nothing is evicted for it."""
    disk = Disk(tmp_path, max_bytes=1000)
    put(disk, b"small", key("small"))
    assert not put(disk, bytes(1001))
    assert value(disk, key("small")) == b"small"


@pytest.mark.parametrize(
    ("reads", "lifetimes"), [(0, 1), (9, 1), (10, 2), (11, 2), (49, 2), (50, 4), (51, 4), (2000, 4)]
)
def test_reads_lengthen_a_life_also_across_restarts(tmp_path, reads, lifetimes):
    """Reads of all processes count: at 9/10/11 and 49/50/51 a value's ttl is 24, 48 or 96 hours."""
    for age_s, lives in ((lifetimes * BASE_S - 1, True), (lifetimes * BASE_S, False)):
        clock = Clock()
        disk, again = Disk(tmp_path, clock=clock), Disk(tmp_path, clock=clock)
        put(disk)
        for n in range(reads):
            assert value(again if n % 2 else disk) is not None
        clock.pass_time(age_s)
        assert (value(again) is not None) is lives
        assert again.counters["expired"] == (not lives)


@pytest.mark.parametrize("jump_s", [-YEAR_S, -3600.0, 3600.0, YEAR_S])
def test_a_jump_of_the_wall_clock_changes_no_age(tmp_path, jump_s):
    """Within one boot ages follow the time since boot, so nothing expires early or late."""
    clock = Clock()
    disk = Disk(tmp_path, clock=clock)
    put(disk)
    clock.pass_time(10, wall=jump_s)
    assert value(disk) is not None
    clock.pass_time(BASE_S)
    assert value(disk) is None


def test_a_value_from_the_future_is_not_immortal(tmp_path):
    """After a reboot with a clock a year back, a value counts as written now."""
    clock = Clock()
    put(Disk(tmp_path, clock=clock))
    clock.pass_time(60, wall=-YEAR_S, boot=NEXT_BOOT)
    disk = Disk(tmp_path, clock=clock)
    assert value(disk) is not None
    clock.pass_time(2 * BASE_S)
    assert value(disk) is None


def test_a_last_use_in_the_future_is_set_back(tmp_path):
    """A last use in the future is reset, or that file would never be evicted."""
    clock = Clock()
    disk = Disk(tmp_path, clock=clock)
    put(disk)
    clock.pass_time(60, wall=-YEAR_S, boot=NEXT_BOOT)
    Disk(tmp_path, clock=clock)
    assert [int(path.stat().st_mtime) for path in files(tmp_path)] == [int(clock.at.wall_s)]


def test_drafts_without_a_writer_are_swept(tmp_path):
    """A start removes drafts of dead processes, and any draft older than an hour; active ones stay."""
    disk = Disk(tmp_path)
    namespace, mine = own_name().split("-")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f"{namespace}-{dead.pid}-a", f"{namespace}-{mine}-b", f"other-{dead.pid}-c", f"other-{mine}-d"]
    for name in names:
        (disk.folder.drafts / name).write_bytes(b"half")
    hours_ago = time.time() - 7200
    os.utime(disk.folder.drafts / names[3], (hours_ago, hours_ago))
    Disk(tmp_path)
    assert sorted(path.name for path in files(tmp_path, "drafts")) == sorted(names[1:3])


async def test_closing_waits_for_what_was_begun(tmp_path):
    """After close every put is whole on disk, and no draft is left."""
    disk = Disk(tmp_path)
    lease = (await disk.get(key())).lease
    work = disk.put(key(), bytes(10**6), lease)
    assert await work
    await disk.close()
    assert value(Disk(tmp_path)) == bytes(10**6)
    assert files(tmp_path, "drafts") == []


async def test_forgetting_everything_frees_the_space(tmp_path):
    """Files are deleted with their values."""
    disk = Disk(tmp_path)
    for n in range(5):
        put(disk, b"x", key(n))
    await disk.forget(EVERYTHING)
    assert disk.sizes() == {"entries": 0, "bytes": 0}
    assert Disk(tmp_path).space.used() == 0
    await disk.close()
