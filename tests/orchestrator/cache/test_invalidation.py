"""Invalidations through all tiers: before, during and after the work that they concern."""

import asyncio
import errno
import time

import pytest
from making import KEY, Compute, get, written
from store_faults import ALWAYS, Times, status
from vitrine.errors import Unavailable
from vitrine_orchestrator.cache.key import EVERYTHING, Key, owner
from vitrine_orchestrator.cache.tiered import Tiered


async def test_the_next_call_after_an_invalidation_computes_again(opened):
    """The value is computed again in the same process, in another one, and with the store."""
    compute, here, there = Compute(), opened(), opened()
    assert await get(here, compute) == (1.0, "fresh")
    assert (await get(there, compute))[0] == 1.0
    await written(here)
    await here.memo.forget(KEY.owner)
    assert await get(there, compute) == (2.0, "fresh")
    assert (await get(here, compute))[0] == 2.0


@pytest.mark.parametrize("forgotten", [KEY.owner, EVERYTHING])
async def test_work_begun_before_an_invalidation_is_kept_nowhere(opened, forgotten, tmp_path):
    """Its own caller gets the value; later callers neither join the work nor find it in any tier."""
    old, cache, other = Compute(), opened(), opened()
    old.let.clear()
    early = asyncio.create_task(get(cache, old))
    while not old.made:
        await asyncio.sleep(0.001)
    await other.memo.forget(forgotten)
    fresh = Compute()
    fresh.made = 10
    late = asyncio.create_task(get(opened(folder=tmp_path / "another host"), fresh))
    old.let.set()
    assert await early == (1.0, "fresh")
    await written(cache)
    assert (await late)[0] == 11.0
    assert (await get(cache, fresh))[0] > 10
    assert (await get(other, fresh))[0] > 10


async def test_a_caller_after_an_invalidation_does_not_join_older_work(opened):
    """This holds while that work is still running in the same process."""
    work, cache = Compute(), opened(folder=None)
    work.let.clear()
    early = asyncio.create_task(get(cache, work))
    while not work.made:
        await asyncio.sleep(0.001)
    await cache.memo.forget(KEY.owner)
    late = asyncio.create_task(get(cache, work))
    for _ in range(3000):  # some seconds, where it joined the older work
        if work.made == 2:
            break
        await asyncio.sleep(0.001)
    assert work.made == 2
    work.let.set()
    assert await early == (1.0, "fresh")
    assert await late == (2.0, "fresh")
    assert (await get(cache, work))[0] == 2.0


async def test_an_invalidation_during_a_promotion_wins(opened):
    """A value read from disk before the invalidation does not enter memory after it."""
    compute, cache = Compute(), opened(store="off")
    await get(cache, compute)
    await cache.memory.forget("nobody")
    tiers: Tiered = cache.memo.tiers
    key_file_read = tiers.tiers["disk"]

    class Slow:
        """A disk tier that answers only after an invalidation has happened in between."""

        async def get(self, key):
            got = await key_file_read.get(key)
            tiers.tiers["disk"] = key_file_read
            await cache.memo.forget(key.owner)
            return got

    memory_before = cache.memory.lrus["upper_body"]
    memory_before.drop(KEY)
    tiers.tiers["disk"] = Slow()
    assert (await tiers.near(KEY)).value is not None  # its get began before
    assert (await tiers.near(KEY)).value is None
    assert cache.memo.counters["stale_put"] == 1


async def test_an_invalidation_while_the_store_is_down_is_queued(opened, s3):
    """It is not reported as done, holds here, survives a restart, and is carried out later."""
    compute, cache, neighbour = Compute(), opened(), opened()
    await get(cache, compute)
    await written(cache)
    objects, s3.objects = s3.objects, {}

    async def down(request, response, writer):
        response.status, response.body = 503, b""

    s3.fault = down
    with pytest.raises(Unavailable, match="it is queued"):
        await cache.clear(KEY.owner)
    await cache.memo.forget(KEY.owner)  # a try-on with a new photo does not fail for it
    assert await get(neighbour, compute) == (2.0, "fresh")
    await written(neighbour)
    s3.objects, s3.fault = objects, None
    no_memory = opened(memory="off", disk_bytes=0)
    no_memory.memo.tiers._settled_s = time.monotonic()  # tried a moment ago
    assert await get(no_memory, compute) == (3.0, "fresh")
    restarted = opened()
    assert [one.owner for one in restarted.shared.tombstones.all()] == [KEY.owner]
    other = Key("garment", owner("garment", "coat"), "recipe")
    await get(restarted, Compute(), other)  # any use of the store settles what waits
    await written(restarted)
    assert restarted.shared.tombstones.all() == []
    assert not [path for path in s3.objects if "alice" in path and "generation" not in path]


@pytest.fixture
def full_disk(monkeypatch):
    """A disk that takes no tombstone."""

    def full(fd, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vitrine_orchestrator.cache.tombstones.os.write", full)


async def test_a_full_disk_stops_no_invalidation(opened, full_disk):
    """Without a tombstone it is done all the same, here and in the store."""
    compute, cache, neighbour = Compute(), opened(), opened()
    await get(cache, compute)
    await written(cache)
    await cache.clear(KEY.owner)
    assert await get(neighbour, compute) == (2.0, "fresh")
    assert not list(cache.shared.folder.glob("tombstones/*.draft"))


async def test_an_invalidation_that_nothing_can_keep_is_an_error_and_holds_here(opened, s3, full_disk):
    """With a full disk and no store it is not queued; memory and disk have forgotten."""
    compute, cache = Compute(), opened()
    await get(cache, compute)
    await written(cache)

    async def down(request, response, writer):
        response.status, response.body = 503, b""

    s3.fault = down
    with pytest.raises(Unavailable, match=r"it cannot be queued: .*No space left"):
        await cache.clear(KEY.owner)
    assert await get(cache, compute) == (2.0, "fresh")


@pytest.mark.parametrize("fault", [status(403, "AccessDenied"), status(500, "InternalError")])
async def test_objects_that_cannot_be_deleted_do_not_stop_an_invalidation(opened, s3, fault, caplog):
    """The new generation has voided them; the fault is counted, and logged once."""
    compute, cache, neighbour = Compute(), opened(), opened()
    for _ in range(2):
        await get(cache, compute)
        await written(cache)
        s3.fault = Times(ALWAYS, fault, "DELETE")
        await cache.clear(KEY.owner)
        s3.fault = None
    assert (await get(neighbour, compute))[1] == "fresh"
    counts = cache.memo.counters
    assert counts["denied"] + counts["l3_unavailable"] == 2
    assert len([one for one in caplog.messages if "stay in the store" in one]) == 1
