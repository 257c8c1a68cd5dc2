"""Faults of the disk: damage, full, forbidden, deleted, and a failure of every single call."""

import errno
import os
import pickle
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cache_faults import UNSYNCED, FaultyOs, ShortWrites
from vitrine.errors import Unavailable
from vitrine_orchestrator.cache.disk.envelope import HEADER_BYTES
from vitrine_orchestrator.cache.disk.tier import Disk
from vitrine_orchestrator.cache.key import Key, owner

COAT, HAT = (Key("garment", owner("garment", name), "latents") for name in ("coat", "hat"))
VALUE = bytes(range(256)) * 40


def put(disk: Disk, key: Key = COAT, value: bytes = VALUE) -> bool:
    return disk.write(key, value, disk.read(key).lease)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def replace_with(path: Path, data: bytes) -> None:
    path.write_bytes(data)


DAMAGE = {
    "cut": lambda path, _: os.truncate(path, HEADER_BYTES + 100),
    "cut in the header": lambda path, _: os.truncate(path, 20),
    "emptied": lambda path, _: os.truncate(path, 0),
    "zeros": lambda path, _: replace_with(path, bytes(path.stat().st_size)),
    "zeros at the end": lambda path, _: replace_with(path, path.read_bytes()[:-4096] + bytes(4096)),
    "longer": lambda path, _: replace_with(path, path.read_bytes() + b"x"),
    "bit of the value": lambda path, _: flip(path, -1),
    "bit of the lease": lambda path, _: flip(path, 45),
    "bit of the age": lambda path, _: flip(path, 88),
    "bit of the length": lambda path, _: flip(path, 97),
    "bit of the magic": lambda path, _: flip(path, 0),
    "bit of the checksum": lambda path, _: flip(path, 101),
    "another key's file": lambda path, other: shutil.copy(other, path),
    "old format": lambda path, _: replace_with(path, b"VITRINE0" + path.read_bytes()[8:]),
    "a pickle": lambda path, _: replace_with(path, pickle.dumps({"prompt_embeds": [1.0]})),
    "a pipe": lambda path, _: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_a_miss_and_goes(tmp_path, damage):
    """A damaged file is counted, deleted and never returned; the next put replaces it."""
    disk = Disk(tmp_path)
    put(disk)
    put(disk, HAT, b"hat")
    damage(disk.folder.path(COAT), disk.folder.path(HAT))
    assert disk.read(COAT).value is None
    assert disk.counters["corrupt"] == 1
    assert not disk.folder.path(COAT).exists()
    assert disk.read(HAT).value == b"hat"
    assert put(disk)
    assert disk.read(COAT).value == VALUE


def test_every_flipped_bit_is_found(tmp_path):
    """A flipped bit in any byte of a small file is a miss."""
    disk = Disk(tmp_path)
    for at in range(HEADER_BYTES + 3):
        put(disk, COAT, b"abc")
        flip(disk.folder.path(COAT), at)
        assert disk.read(COAT).value is None, at
    assert disk.counters["corrupt"] == HEADER_BYTES + 3


def test_a_planted_link_is_not_followed(tmp_path):
    """A symbolic link in place of an entry is a counted miss, and its target is unchanged."""
    disk = Disk(tmp_path / "cache")
    put(disk)
    target = tmp_path / "target"
    target.write_bytes(disk.folder.path(COAT).read_bytes())
    disk.folder.path(COAT).unlink()
    disk.folder.path(COAT).symlink_to(target)
    assert disk.read(COAT).value is None
    assert disk.counters["denied"] == 1
    assert put(disk)
    assert disk.read(COAT).value == VALUE
    assert target.read_bytes()[HEADER_BYTES:] == VALUE
    assert not target.is_symlink()


def test_a_linked_folder_is_refused(tmp_path):
    """The folder and its entries must be real directories of our user."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="not a directory of this user"):
        Disk(tmp_path / "cache")


@pytest.mark.parametrize("call", ["open", "writev", "utime", "replace"])
def test_a_full_disk_evicts_once_and_then_pauses(tmp_path, call):
    """After ENOSPC a put returns false and leaves no draft, reads work, and writes pause."""
    healthy = Disk(tmp_path)
    for n in range(10):
        put(healthy, Key("text", f"garment:{n}", "t"))
    disk = Disk(tmp_path)
    disk.folder._os = FaultyOs(errno.ENOSPC, names={call})
    lease = healthy.read(COAT).lease
    assert not disk.write(COAT, VALUE, lease)
    assert disk.counters["full"] == 1
    assert disk.counters["evictions"] == 1
    assert list(disk.folder.drafts.iterdir()) == []
    tries = len(disk.folder._os.calls)
    assert not disk.write(COAT, VALUE, lease)
    assert len(disk.folder._os.calls) == tries
    assert sum(healthy.read(Key("text", f"garment:{n}", "t")).value == VALUE for n in range(10)) == 9


def test_writes_resume_after_the_pause(tmp_path):
    """With space again and the pause over, values are kept, and the next pause is short."""
    disk = Disk(tmp_path)
    disk.folder._os = FaultyOs(errno.ENOSPC, names={"writev"})
    lease = Disk(tmp_path).read(COAT).lease
    disk.write(COAT, VALUE, lease)
    disk.folder._os = os
    disk._paused_until_s = 0.0
    assert disk.write(COAT, VALUE, lease)
    assert disk._backoff_s == 1.0


def test_a_fault_of_one_file_does_not_pause_the_others(tmp_path):
    """A folder in an entry's place costs that entry only."""
    disk = Disk(tmp_path)
    assert put(disk)
    path = disk.folder.path(COAT)
    path.unlink()
    path.mkdir()
    assert not put(disk)
    assert put(disk, HAT)


def test_a_read_only_disk_still_answers(tmp_path):
    """EROFS in a write is counted, and existing values are served."""
    put(Disk(tmp_path))
    disk = Disk(tmp_path)
    disk.folder._os = FaultyOs(errno.EROFS, names={"writev", "unlink", "replace"})
    assert not put(disk, HAT)
    assert disk.counters["denied"] == 1
    assert disk.read(COAT).value == VALUE


@pytest.mark.parametrize("fault", [errno.EIO, errno.EMFILE])
def test_a_read_fault_is_a_miss_that_deletes_nothing(tmp_path, fault):
    """After EIO or EMFILE the file stays, and is served once the fault is over."""
    disk = Disk(tmp_path)
    put(disk)
    disk.folder._os = FaultyOs(fault, names={"open"})
    assert disk.read(COAT).value is None
    assert disk.counters["eio"] == 1
    disk.folder._os = os
    assert disk.read(COAT).value == VALUE


def test_short_writes_are_finished(tmp_path):
    """A write that takes only part of the bytes is continued."""
    disk = Disk(tmp_path, calls=ShortWrites())
    assert put(disk)
    assert disk.read(COAT).value == VALUE


def test_a_deleted_folder_comes_back_empty(tmp_path):
    """After a deletion gets are misses, then values are kept in a new private folder."""
    disk = Disk(tmp_path / "cache")
    put(disk)
    shutil.rmtree(tmp_path / "cache")
    assert disk.read(COAT).value is None
    assert put(disk)
    assert disk.read(COAT).value == VALUE
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700


async def test_a_hanging_disk_is_a_miss_in_bounded_time(tmp_path, monkeypatch):
    """A hanging read is given up, and later gets do not wait for the disk."""
    monkeypatch.setattr("vitrine_orchestrator.cache.disk.tier.GET_LIMIT_S", 0.05)
    disk, stuck = Disk(tmp_path), threading.Event()
    monkeypatch.setattr(disk, "read", lambda key: stuck.wait())
    assert await disk.get(COAT) == (None, None)
    assert await disk.get(COAT) == (None, None)
    assert disk.counters["eio"] == 1
    stuck.set()
    await disk.close()


def test_any_single_call_may_fail(tmp_path):
    """With the n-th call failing, for every n, gets are right or misses, and only forget raises."""
    for n in range(1, 200):
        root = tmp_path / str(n)
        Disk(root, calls=UNSYNCED)
        faulty = FaultyOs(errno.EIO, at=n)
        reported = _use_once(root, faulty)
        healthy = Disk(root, calls=UNSYNCED)
        assert healthy.read(HAT).value in (None, b"hat 1", b"hat 2")
        assert healthy.read(COAT).value is None or not reported
        assert list(healthy.folder.drafts.iterdir()) == [] or n in _left_drafts(faulty)
        if len(faulty.calls) < n:
            return
    pytest.fail("the run never came to its end")


def _use_once(root: Path, faulty: FaultyOs) -> bool:
    """Open, put, read, replace, forget; returns whether forgetting the coat was reported as done."""
    try:
        disk = Disk(root, calls=faulty)
    except OSError:
        return False  # the service goes without this tier
    for key, value in ((COAT, b"coat"), (HAT, b"hat 1"), (HAT, b"hat 2")):
        got = disk.read(key)
        assert got.value in (None, b"hat 1")
        disk.write(key, value, got.lease or bytes(24))
        disk._paused_until_s = 0.0
        assert disk.read(key).value in (None, value, b"hat 1")
    try:
        disk.remove(COAT.owner)
    except Unavailable:
        return False
    assert disk.read(COAT).value is None
    return True


def _left_drafts(faulty: FaultyOs) -> set[int]:
    """The failing call may be the unlink of our own process's draft, which is not swept yet."""
    return {n for n, name in enumerate(faulty.calls, 1) if name in ("unlink", "close")}


def test_death_at_any_call_leaves_no_damage(tmp_path):
    """SIGKILL at the n-th call, for every n: the next start finds whole values, no drafts, a true sum.

    Positive control: a writer that writes in place leaves damaged files in the same runs.
    """
    script = Path(__file__).with_name("die_at_every_call.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    deaths, damaged, in_place_damaged = map(int, done.stdout.split())
    assert deaths > 60
    assert damaged == 0
    assert in_place_damaged > 0


def test_a_forbidden_folder_is_an_error_at_the_start(tmp_path):
    """A folder that cannot be made raises PermissionError, so the service can go without it."""
    for above in (tmp_path, *list(tmp_path.parents)[:2]):
        above.chmod(0o555)
    me = os.geteuid()
    if me == 0:  # root may write anywhere
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            Disk(tmp_path / "cache")
    finally:
        os.seteuid(me)
        for above in (tmp_path, *list(tmp_path.parents)[:2]):
            above.chmod(0o755)
