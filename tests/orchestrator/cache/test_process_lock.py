"""One process of a host at a time computes a value, and every wait for the lock is bounded."""

import asyncio
import errno
import fcntl
import os
import subprocess
import sys

import pytest
from vitrine_orchestrator.cache.disk.process_lock import NoLocks, ProcessLocks
from vitrine_orchestrator.cache.key import Key
from vitrine_orchestrator.cache.tier import CacheCounters

KEY = Key("garment", "garment:coat", "recipe")


async def test_the_second_waits_for_the_first_and_knows_it(tmp_path):
    """Two lock folders on one path act as two processes, since flock belongs to the open file."""
    one, other = (ProcessLocks(tmp_path, CacheCounters()) for _ in range(2))
    order = []

    async def second():
        async with other.hold(KEY) as waited:
            order.append(("second", waited))

    async with one.hold(KEY) as waited:
        order.append(("first", waited))
        task = asyncio.create_task(second())
        await asyncio.sleep(0.02)
        assert len(order) == 1
    await task
    assert order == [("first", False), ("second", True)]
    assert list(tmp_path.iterdir()) == []


async def test_never_two_at_once(tmp_path):
    """Twenty holders take turns, although the file is deleted and created each time."""
    inside, most = 0, 0

    async def work():
        nonlocal inside, most
        async with ProcessLocks(tmp_path, CacheCounters()).hold(KEY):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(20)))
    assert most == 1


async def test_another_keys_lock_is_free(tmp_path):
    """Locks of different keys do not wait for each other."""
    locks = ProcessLocks(tmp_path, CacheCounters())
    async with locks.hold(KEY), locks.hold(Key("text", "garment:coat", "recipe")) as waited:
        assert not waited


async def test_a_holder_that_hangs_is_waited_for_within_a_bound(tmp_path):
    """After the bound the work continues without the lock, and that is counted."""
    counters = CacheCounters()
    fd = os.open(tmp_path / KEY.digest, os.O_CREAT | os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    async with ProcessLocks(tmp_path, counters, wait_s=0.02).hold(KEY) as waited:
        assert waited
    os.close(fd)
    assert counters["lock_timeout"] == 1


async def test_a_holder_that_dies_lets_go(tmp_path):
    """The kernel releases a dead process's lock, although its file stays."""
    script = (
        "import asyncio, os, sys, pathlib\n"
        "from vitrine_orchestrator.cache.key import Key\n"
        "from vitrine_orchestrator.cache.disk.process_lock import ProcessLocks\n"
        "from vitrine_orchestrator.cache.tier import CacheCounters\n"
        "async def main():\n"
        "    async with ProcessLocks(pathlib.Path(sys.argv[1]), CacheCounters()).hold(Key(*sys.argv[2:])):\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", script, tmp_path, KEY.category, KEY.owner, KEY.name], check=False)
    assert (tmp_path / KEY.digest).exists()
    async with ProcessLocks(tmp_path, CacheCounters()).hold(KEY) as waited:
        assert not waited


async def test_without_a_folder_the_work_goes_on(tmp_path):
    """A lock that cannot be made is a counted fault, not an error."""
    (tmp_path / "file").write_text("no folder")
    counters = CacheCounters()
    async with ProcessLocks(tmp_path / "file" / "locks", counters).hold(KEY) as waited:
        assert not waited
    assert counters["eio"] == 1


@pytest.mark.parametrize("error", [ValueError, asyncio.CancelledError])
async def test_an_error_inside_lets_go(tmp_path, error):
    """The lock is released however the work ends."""
    locks = ProcessLocks(tmp_path, CacheCounters())
    with pytest.raises(error):
        async with locks.hold(KEY):
            raise error
    assert list(tmp_path.iterdir()) == []


async def test_no_locks_hold_nothing():
    """Without locks every process works alone."""
    async with NoLocks().hold(KEY) as one, NoLocks().hold(KEY) as other:
        assert (one, other) == (False, False)


async def test_a_folder_without_locks_leaves_no_descriptor_open(tmp_path, monkeypatch):
    """The work goes on without the lock where flock is refused (NFS without its daemon)."""

    def refuse(fd, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        async with ProcessLocks(tmp_path, CacheCounters()).hold(KEY) as waited:
            assert not waited
    assert len(os.listdir("/proc/self/fd")) == before
