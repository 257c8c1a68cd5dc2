"""Invalidations of other hosts reach this host's memory and disk."""

import asyncio
import errno
import os
from pathlib import Path

import numpy as np
import pytest
from store_faults import ALWAYS, Times, status
from vitrine_orchestrator.cache.invalidation_feed import KEPT_S, SKEW_S, Cursor, Feed, FeedFollower, host_name
from vitrine_orchestrator.cache.key import EVERYTHING, Key, owner
from vitrine_orchestrator.cache.layout import FEED
from vitrine_orchestrator.cache.objects import Place, S3Objects
from vitrine_orchestrator.cache.tier import CacheCounters

KEY = Key("upper_body", owner("person", "alice"), "recipe")
OTHER = Key("upper_body", owner("person", "bob"), "recipe")


class Clock:
    """A clock that the test sets."""

    def __init__(self):
        self.now = 1.8e9

    def __call__(self):
        return self.now


@pytest.fixture
def objects(s3):
    return S3Objects(Place("bucket", "cache", s3.endpoint, "us-east-1", ("key", "secret")))


def making(number: float):
    async def compute():
        return {"x": np.array([number], np.float32)}

    return compute


async def get(cache, number: float, key: Key = KEY) -> float:
    return float((await cache.memo.get_or_compute(key, making(number)))[0]["x"][0])


async def test_another_hosts_memory_and_disk_follow(opened, tmp_path):
    """After the other host's next poll, only the forgotten owner is computed again there."""
    here, there = opened(), opened(folder=tmp_path / "another host")
    for key in (KEY, OTHER):
        assert [await get(cache, 1.0, key) for cache in (here, there)] == [1.0, 1.0]
    await here.memo.forget(KEY.owner)
    await there.memo.follower.look()
    assert await get(there, 2.0) == 2.0
    assert await get(there, 2.0, OTHER) == 1.0


async def test_a_host_without_a_folder_follows_too(opened):
    """Without a folder the cursor is in the process."""
    here, there = opened(), opened(folder=None)
    await get(there, 1.0)
    await here.memo.forget(EVERYTHING)
    await there.memo.follower.look()
    assert await get(there, 2.0) == 2.0


async def test_a_host_that_was_off_catches_up_before_it_answers(opened, tmp_path):
    """Values forgotten meanwhile are not served from its disk after the start."""
    there = opened(folder=tmp_path / "another host")
    await get(there, 1.0)
    await there.close()
    await opened().memo.forget(KEY.owner)
    assert await get(opened(folder=tmp_path / "another host"), 2.0) == 2.0


async def test_a_hosts_own_invalidations_are_no_news_to_it(opened):
    """Values computed after a host's own invalidation stay, in all its processes."""
    one, other = opened(), opened()
    await one.memo.forget(KEY.owner)
    assert await get(one, 1.0) == 1.0
    await other.memo.follower.look()
    assert await get(other, 2.0) == 1.0


async def test_each_invalidation_is_read_once(objects):
    """This holds for a host whose clock is behind, within the allowed skew."""
    clock, late = Clock(), Clock()
    late.now -= SKEW_S - 10
    reader, writer, behind = Feed(objects, "a", clock), Feed(objects, "b", clock), Feed(objects, "c", late)
    owners, cursor = await reader.news(Cursor())
    assert owners == []
    await writer.publish("person:1")
    await reader.publish("person:mine")
    owners, cursor = await reader.news(cursor)
    assert owners == ["person:1"]
    await behind.publish("person:\ud800")
    owners, cursor = await reader.news(cursor)
    assert owners == ["person:\ud800"]
    clock.now += 2 * SKEW_S
    assert (await reader.news(cursor))[0] == []


async def test_what_is_too_old_is_deleted(objects, s3):
    """Entries older than any value in memory or on a disk are deleted."""
    clock = Clock()
    feed = Feed(objects, "a", clock)
    await feed.publish("person:1")
    clock.now += KEPT_S + 1
    await feed.publish("person:2")
    await feed.sweep()
    assert len(s3.objects) == 1


async def test_one_process_of_a_host_polls(objects, tmp_path):
    """Only one process of a host polls the store."""
    forgotten = []

    async def forget(who):
        forgotten.append(who)

    one, other = (FeedFollower(Feed(objects, "a"), forget, tmp_path) for _ in range(2))
    await Feed(objects, "b").publish("person:1")
    await asyncio.gather(one.look(), other.look())
    assert forgotten == ["person:1"]
    await other.look()
    assert forgotten == ["person:1"]


async def test_a_store_that_does_not_answer_delays_the_first_request_only(opened, s3, monkeypatch):
    """The first poll is waited for within a bound; requests are answered all the same."""
    monkeypatch.setattr("vitrine_orchestrator.cache.invalidation_feed.FIRST_LOOK_S", 0.05)
    s3.fault = Times(ALWAYS, status(503, "SlowDown"))
    assert await get(opened(), 1.0) == 1.0


def test_the_processes_of_a_folder_have_one_name(tmp_path):
    """Processes of a folder share a host name; without a folder each has its own."""
    assert host_name(tmp_path) == host_name(tmp_path)
    assert host_name(None) != host_name(None)
    assert host_name(tmp_path / "not there")  # one of its own: never an error


@pytest.mark.parametrize("damage", [b"\xff\xfe\x80", b"", b"a-b\n"])
def test_a_damaged_name_of_the_host_is_not_used(tmp_path, damage):
    """Each process then has a name of its own."""
    (tmp_path / "host").write_bytes(damage)
    assert len(host_name(tmp_path)) == 16


def unwritable(monkeypatch, folder):
    (folder / "feed.json").mkdir()  # nothing can be renamed to it


def without_locks(monkeypatch, folder):
    def refuse(fd, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("vitrine_orchestrator.cache.invalidation_feed.fcntl.flock", refuse)


def read_only(monkeypatch, folder):
    real = os.open

    def refuse(path, *rest):
        if Path(path).name.startswith("feed."):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, *rest)

    monkeypatch.setattr("vitrine_orchestrator.cache.invalidation_feed.os.open", refuse)


@pytest.mark.parametrize("fault", [unwritable, without_locks, read_only])
async def test_a_folder_that_takes_no_cursor_is_followed_without(
    objects, tmp_path, monkeypatch, caplog, fault
):
    """Each invalidation is applied once, the fault is logged once, and no descriptor is left open."""
    forgotten = []

    async def forget(who):
        forgotten.append(who)

    follower = FeedFollower(Feed(objects, "a"), forget, tmp_path)
    fault(monkeypatch, tmp_path)
    await Feed(objects, "b").publish("person:1")
    await follower.look()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await follower.look()
    assert len(os.listdir("/proc/self/fd")) <= before
    assert forgotten == ["person:1"]
    assert len([one for one in caplog.messages if "takes no lock or cursor" in one]) == 1


async def test_objects_that_name_no_owner_are_passed_over(objects, s3):
    """Files of other programs and damaged objects are counted once, and hide no invalidation."""
    counters = CacheCounters()
    reader = Feed(objects, "a", counters=counters)
    for name in (".DS_Store", "readme.txt", "a/b", "000000000000001-x-y", "999999999999999-x-y"):
        s3.objects[f"cache/{FEED}/{name}"] = b"\xff\xfe\x00Bud1"
    await Feed(objects, "b").publish("person:1")
    owners, cursor = await reader.news(Cursor())
    assert owners == ["person:1"]
    assert counters["corrupt"] == 5
    assert (await reader.news(cursor))[0] == []
    assert counters["corrupt"] == 5


async def test_a_lasting_fault_is_logged_once(objects, monkeypatch, caplog):
    """Not with every poll."""
    monkeypatch.setattr("vitrine_orchestrator.cache.invalidation_feed.LOOK_S", 0.01)

    async def fail(who):
        raise RuntimeError("of the disk")

    await Feed(objects, "b").publish("person:1")
    follower = FeedFollower(Feed(objects, "a"), fail)
    await follower.started()
    await asyncio.sleep(0.3)
    await follower.close()
    assert len([one for one in caplog.messages if "cannot be followed" in one]) == 1
