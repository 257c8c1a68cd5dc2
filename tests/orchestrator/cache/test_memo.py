"""All tiers as the pipelines use them: sources, failures, statistics, closing."""

import asyncio

import numpy as np
import pytest
from making import KEY, Compute, arrays, get, written
from vitrine.errors import BadRequest, NotFound
from vitrine_orchestrator.cache.codec import Array
from vitrine_orchestrator.cache.key import EVERYTHING, Key, owner
from vitrine_orchestrator.cache.open_cache import CacheSettings, open_cache
from vitrine_orchestrator.cache.tier import COUNTERS


async def test_every_tier_answers_in_its_turn(opened, tmp_path):
    """A value is fresh, then from memory, in another process from disk, on another host from the store."""
    compute, first = Compute(), opened()
    assert await get(first, compute) == (1.0, "fresh")
    assert await get(first, compute) == (1.0, "memory")
    await written(first)
    second = opened()
    assert await get(second, compute) == (1.0, "disk")
    assert await get(second, compute) == (1.0, "memory")
    third = opened(folder=tmp_path / "another host")
    assert await get(third, compute) == (1.0, "store")
    assert await get(third, compute) == (1.0, "memory")
    assert await get(opened(folder=tmp_path / "another host"), compute) == (1.0, "disk")
    assert compute.made == 1


@pytest.mark.parametrize("off", [{"memory": "off"}, {"folder": None}, {"store": "off"}, {"disk_bytes": 0}])
async def test_any_tier_can_be_off(opened, off):
    """The other tiers work without it."""
    compute, cache = Compute(), opened(**off)
    assert await get(cache, compute) == (1.0, "fresh")
    await written(cache)
    assert (await get(cache, compute))[1] == ("disk" if "memory" in off else "memory")
    await cache.memo.forget(KEY.owner)
    assert await get(cache, compute) == (2.0, "fresh")


async def test_with_every_tier_off_every_value_is_computed(opened):
    """Without tiers every value is fresh, and nothing fails."""
    compute, cache = Compute(), opened(memory="off", folder=None, store="off")
    assert [await get(cache, compute) for _ in range(3)] == [(1.0, "fresh"), (2.0, "fresh"), (3.0, "fresh")]
    await cache.memo.forget(EVERYTHING)


async def test_a_returned_value_cannot_be_changed(opened):
    """Fresh or kept, the arrays are read-only, so no caller poisons another's."""
    cache = opened()
    for _ in range(2):
        found, _ = await cache.memo.get_or_compute(KEY, Compute())
        with pytest.raises(ValueError, match="read-only"):
            found["latents"][...] = 9


async def test_many_callers_cause_one_computation(opened):
    """Two hundred concurrent callers cause one computation, get the same arrays, and are all counted."""
    compute, cache = Compute(), opened()
    answers = await asyncio.gather(*(get(cache, compute) for _ in range(200)))
    assert answers == [(1.0, "fresh")] * 200
    counts = cache.memo.counters.snapshot()
    assert (counts["total_requests"], counts["misses"]) == (200, 200)


async def test_two_processes_cause_one_computation(opened):
    """The second process waits for the first and then finds the value on disk."""
    compute = Compute()
    compute.let.clear()
    tasks = [asyncio.create_task(get(opened(), compute)) for _ in range(2)]
    while not compute.made:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    compute.let.set()
    assert sorted(await asyncio.gather(*tasks)) == [(1.0, "disk"), (1.0, "fresh")]


async def test_errors_of_the_computation_are_raised_and_not_kept(opened):
    """The caller gets the computation's error, and the next call tries again."""
    cache = opened()
    for error in (NotFound("person_id 'x'"), BadRequest("nothing to dress"), RuntimeError("stage")):
        with pytest.raises(type(error), match=str(error)):
            await get(cache, Compute(error))
    assert await get(cache, Compute()) == (1.0, "fresh")


async def test_a_request_with_a_picture_never_shares_the_failure_of_one_without(opened):
    """A request by id alone is not found, while a concurrent one with the picture succeeds."""
    cache, unknown = opened(), Compute(NotFound("person_id 'x'"))
    unknown.let.clear()
    searching = asyncio.create_task(cache.memo.get_or_compute(KEY, unknown, able=False))
    while not unknown.made:
        await asyncio.sleep(0.001)
    making = asyncio.create_task(get(cache, Compute()))
    await asyncio.sleep(0.05)  # long enough to have joined
    unknown.let.set()
    with pytest.raises(NotFound):
        await searching
    assert await making == (1.0, "fresh")


@pytest.mark.parametrize("kept", [arrays(np.nan), arrays(np.inf), {"x": np.array([object()])}])
async def test_a_value_that_must_not_be_kept_is_only_returned(opened, kept):
    """Values with NaN, infinity or objects reach their caller and no tier."""
    cache = opened()

    async def compute():
        return kept

    for _ in range(2):
        assert (await cache.memo.get_or_compute(KEY, compute))[1] == "fresh"
    assert cache.memo.counters["not_kept"] == 2


class Broken:
    """A tier that fails in an unexpected way."""

    async def get(self, key):
        raise RuntimeError("get")

    async def put(self, key, value, lease):
        raise RuntimeError("put")

    async def forget(self, owner):
        pass

    async def close(self):
        pass


@pytest.mark.parametrize("broken", ["memory", "disk", "store"])
async def test_a_tier_that_raises_costs_only_its_hits(opened, broken):
    """No fault of a tier fails a caller, not even an unexpected error."""
    compute, cache = Compute(), opened()
    cache.memo.tiers.tiers[broken] = Broken()
    assert await get(cache, compute) == (1.0, "fresh")
    assert (await get(cache, compute))[1] in ("memory", "disk")
    await written(cache)
    assert cache.memo.counters["fault"] > 0


async def test_a_store_that_is_gone_costs_only_its_hits(opened):
    """Without a server at the store's address, values are computed and kept as usual."""
    compute, cache = Compute(), opened(endpoint="http://127.0.0.1:9")
    assert await get(cache, compute) == (1.0, "fresh")
    assert await get(cache, compute) == (1.0, "memory")


async def test_a_value_of_another_shape_is_computed_again(opened, tmp_path):
    """A stored value that does not fit its category's schema is replaced."""
    planter = opened(folder=tmp_path / "planter")
    await get(planter, Compute())
    await written(planter)
    cache = opened(schemas={"upper_body": {"latents": Array("F32", (4, -1, 7))}})
    compute = Compute()
    compute.made = 1
    assert await get(cache, compute) == (2.0, "fresh")
    assert cache.memo.counters["corrupt"] == 1


async def test_a_value_computed_again_elsewhere_replaces_an_older_one(opened):
    """When a process recomputes an id from another picture, no memory returns the older value."""
    one, other = opened(disk_bytes=0, store="off"), opened(disk_bytes=0, store="off")
    compute = Compute()
    assert await get(one, compute) == (1.0, "fresh")
    assert await get(other, compute) == (2.0, "fresh")
    assert await get(other, compute) == (2.0, "memory")
    assert await get(one, compute) == (3.0, "fresh")


async def test_a_value_by_content_is_kept_by_every_process_that_computed_it(opened):
    """A value by content is the same in every process, so none becomes void."""
    one, other = opened(disk_bytes=0, store="off"), opened(disk_bytes=0, store="off")
    key, compute = Key("garment", owner("content", "0" * 64), "recipe"), Compute()
    await get(one, compute, key)
    await get(other, compute, key)
    assert await get(one, compute, key) == (1.0, "memory")


async def test_statistics_count_all_processes_of_the_folder(opened):
    """Statistics have the old service's fields and bytes; hits and misses add up to requests."""
    compute, one, other = Compute(), opened(store="off"), opened(store="off")
    for cache in (one, one, one, other):
        await get(cache, compute)
    numbers = one.statistics()
    assert numbers["total_requests"] >= 3
    for cache in (one, other):
        counts = cache.memo.counters.snapshot()
        hits = counts["l1_hits"] + counts["l2_hits"] + counts["l3_hits"]
        assert hits + counts["misses"] == counts["total_requests"]
    assert set(COUNTERS) <= set(numbers)
    assert numbers["l1_hit_rate"] == numbers["l1_hits"] / numbers["total_requests"]
    assert {"l2_hit_rate", "upper_body_entries", "upper_body_bytes", "garment_entries", "text_bytes"} <= set(
        numbers
    )
    assert numbers["disk_entries"] == 1
    assert numbers["disk_bytes"] > 96


async def test_an_unusable_folder_is_not_used(opened, tmp_path):
    """The service starts, memory works, and a counter records the fault."""
    (tmp_path / "file").write_text("no folder")
    compute, cache = Compute(), opened(folder=tmp_path / "file" / "cache", store="off")
    assert cache.disk is None
    assert await get(cache, compute) == (1.0, "fresh")
    assert await get(cache, compute) == (1.0, "memory")
    assert cache.memo.counters["denied"] == 1


async def test_closing_finishes_uploads(opened, s3):
    """An upload at the stop is whole or absent, and no task is left."""
    cache = opened()
    await get(cache, Compute())
    await cache.close()
    assert [path for path in s3.objects if path.endswith("manifest.json")]
    assert cache.memo._tasks == set()


async def test_closing_does_not_wait_for_ever(opened, s3, monkeypatch):
    """A hanging store delays the end by a bound and gets no manifest of half an entry."""
    monkeypatch.setattr("vitrine_orchestrator.cache.tiered_memo.DRAIN_S", 0.05)
    cache = opened()

    async def hang(request, response, writer):
        if request.method == "PUT":
            s3.objects.pop(request.path, None)
            await asyncio.sleep(3600)

    s3.fault = hang
    await get(cache, Compute())
    await cache.close()
    assert cache.memo._tasks == set()
    assert not [path for path in s3.objects if path.endswith("manifest.json")]


def test_a_store_must_be_named_rightly():
    """The store is off, or s3 with a bucket; anything else is refused by name."""
    with pytest.raises(BadRequest, match="s3://bucket/prefix, got 'http://x'"):
        open_cache(CacheSettings(store="http://x"))
