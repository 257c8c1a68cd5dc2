"""Notes: small values that say of an id which picture was last sent with it."""

import asyncio

import numpy as np
from test_disk import Clock, put, value
from vitrine_orchestrator.cache.disk.tier import Disk
from vitrine_orchestrator.cache.expiry import BASE_S
from vitrine_orchestrator.cache.key import EVERYTHING, SENT, Key, owner

NOTE = Key(SENT, owner("person", "ann"), SENT)


def digest(number):
    """A note's arrays."""
    return {"content_digest": np.full(32, number, np.uint8)}


async def noted(cache, number):
    """The first byte of the digest that is kept."""
    return (await cache.memo.note(NOTE, digest(number)))["content_digest"][0]


async def test_the_first_note_stays_until_its_owner_is_forgotten(opened):
    """In every process of the folder; forgetting everything forgets notes too."""
    one, other = opened(), opened()
    assert await noted(one, 1) == 1
    assert await noted(other, 2) == 1
    await one.clear(owner("person", "ann"))
    assert await noted(other, 2) == 2
    assert await noted(one, 3) == 2
    await other.clear(EVERYTHING)
    assert await noted(one, 3) == 3


async def test_another_host_finds_a_note_in_the_store(opened, tmp_path):
    """It has a folder of its own."""
    here = opened()
    await noted(here, 1)
    await asyncio.gather(*here.memo._tasks)
    assert await noted(opened(folder=tmp_path / "elsewhere"), 2) == 1


async def test_notes_are_no_requests(opened):
    """Statistics count values only."""
    cache = opened()
    await noted(cache, 1)
    await noted(cache, 1)
    counts = cache.memo.counters.snapshot()
    assert (counts["total_requests"], counts["l1_hits"], counts["misses"]) == (0, 0, 0)


async def test_concurrent_notes_agree(opened):
    """One of two pictures that are sent at once is noted, and both callers are told which."""
    cache = opened()
    assert len(set(await asyncio.gather(noted(cache, 1), noted(cache, 2)))) == 1


async def test_a_note_does_not_expire(opened, monkeypatch):
    """It must outlive the values of its id, whose ttl grows with their use."""
    hours = [0.0]
    cache = opened(store="off", disk_bytes=0)
    monkeypatch.setattr(cache.memory, "clock", lambda: hours[0])
    await noted(cache, 1)
    hours[0] = 5 * BASE_S
    assert await noted(cache, 2) == 1


def test_a_note_does_not_expire_on_disk(tmp_path):
    """A process that starts days later finds it."""
    clock = Clock()
    put(Disk(tmp_path, clock=clock), b"note", NOTE)
    clock.pass_time(5 * BASE_S)
    assert value(Disk(tmp_path, clock=clock), NOTE) == b"note"
