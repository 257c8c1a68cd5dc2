"""Garment rows are cached by bytes, shared, and computed ahead within limits."""

import numpy as np
import pytest
from vitrine_orchestrator.engine.rows import DeviceRow
from vitrine_orchestrator.try_on.engine.fake import FakeEngine
from vitrine_orchestrator.try_on.garment_cache import GarmentCache, GarmentKey
from vitrine_orchestrator.try_on.garment_rows import GarmentNames, GarmentRows, HeldState


def key(garment, timestep=0.0, size=(8, 4)):
    return GarmentKey(garment, timestep, size)


def row(nbytes):
    return DeviceRow((object(),), nbytes)


def test_the_bound_is_exact():
    """Rows fill the bound exactly; one more byte evicts the least recently used."""
    cache = GarmentCache(100)
    cache.put(key("a"), row(60))
    cache.put(key("b"), row(40))
    assert (cache.bytes, len(cache)) == (100, 2)
    cache.put(key("c"), row(1))
    assert (cache.bytes, cache.evictions) == (41, 1)
    assert key("a") not in cache


def test_use_keeps_a_row():
    """The row that was read last stays longer than one that was put later."""
    cache = GarmentCache(100)
    cache.put(key("a"), row(50))
    cache.put(key("b"), row(50))
    cache.get(key("a"))
    cache.put(key("c"), row(50))
    assert [name for name in "abc" if key(name) in cache] == ["a", "c"]


def test_a_row_larger_than_the_bound_is_not_kept():
    """Such a row evicts nothing."""
    cache = GarmentCache(100)
    cache.put(key("a"), row(100))
    cache.put(key("b"), row(101))
    assert (cache.bytes, key("a") in cache, key("b") in cache) == (100, True, False)


def test_putting_again_replaces():
    """The bytes of the old row are freed."""
    cache = GarmentCache(100)
    cache.put(key("a"), row(70))
    cache.put(key("a"), row(80))
    assert (cache.bytes, len(cache), cache.evictions) == (80, 1, 0)


def test_a_garment_can_be_forgotten():
    """All its timesteps are removed, and other garments stay."""
    cache = GarmentCache(100)
    for timestep in range(3):
        cache.put(key("a", timestep), row(10))
        cache.put(key("b", timestep), row(10))
    cache.forget("a")
    assert (cache.bytes, len(cache)) == (30, 3)


def test_hits_and_misses_are_counted():
    """A read that finds nothing is a miss."""
    cache = GarmentCache(100)
    cache.put(key("a"), row(1))
    cache.get(key("a"))
    cache.get(key("b"))
    assert (cache.hits, cache.misses) == (1, 1)


def started(jobs, **asked):
    job = jobs.job(**asked)
    job.held = HeldState(job.request, GarmentNames().name(job.request))
    return job


def test_a_call_is_filled_up_with_later_timesteps(jobs):
    """A job's first step also computes later timesteps, in one call of the set size."""
    engine = FakeEngine()
    garments = GarmentRows(engine, GarmentCache(10**6), rows_per_call=3)
    job = started(jobs, steps=7)
    for job.step in range(7):
        garments.rows([job])
    assert (engine.calls["garment"], engine.rows["garment"]) == (3, 7)


def test_no_call_is_larger_than_set(jobs):
    """Five garments at once take two calls of at most three rows."""
    sizes = []
    engine = FakeEngine(before=lambda call, rows: sizes.append(rows))
    garments = GarmentRows(engine, GarmentCache(10**6), rows_per_call=3)
    garments.rows([started(jobs, garment=i, steps=5) for i in range(5)])
    assert sizes == [3, 3]


def test_nothing_is_computed_ahead_that_the_cache_cannot_hold(jobs):
    """Without room each step computes its own row only."""
    engine = FakeEngine(row_bytes=100)
    garments = GarmentRows(engine, GarmentCache(0), rows_per_call=4)
    job = started(jobs, steps=6)
    garments.rows([job])
    first = engine.rows["garment"]
    for job.step in range(1, 6):
        assert len(garments.rows([job])) == 1
    assert engine.rows["garment"] - first == 5


def test_timesteps_of_two_schedules_are_shared_where_they_meet(jobs):
    """A row is named by garment, timestep and size, not by a schedule."""
    engine = FakeEngine()
    garments = GarmentRows(engine, GarmentCache(10**6), rows_per_call=8)
    garments.rows([started(jobs, steps=4, scheduler="ddpm")])
    garments.rows([started(jobs, steps=4, scheduler="euler")])
    assert engine.rows["garment"] == 4


@pytest.mark.parametrize("named", [True, False])
def test_a_garment_is_known_again(jobs, named):
    """A garment is named by its key, or by the digest of its latents."""
    names = GarmentNames()
    first, again, other = (jobs.request(garment=g, key=named, seed=s) for g, s in ((0, 0), (0, 0), (1, 1)))
    assert names.name(first) == names.name(again)
    assert names.name(first) != names.name(other)


def test_the_prompt_is_part_of_the_name(jobs):
    """The same garment with another description is another name."""
    names, request = GarmentNames(), jobs.request()
    before = names.name(request)
    request.garment_prompt[0, 0] += 1
    assert names.name(request) != before


def test_a_key_stands_for_latents_that_differ_in_the_last_bits(jobs):
    """Rounding by another batch of the encoder does not change the name."""
    names, first, again = GarmentNames(), jobs.request(), jobs.request()
    again.garment_latents[...] *= np.float32(1 + 1e-6)
    assert names.name(first) == names.name(again)


def test_a_key_given_to_another_garment_mixes_nothing_up(jobs):
    """A second garment under the same key gets a name of its own."""
    names = GarmentNames()
    first, wrong = jobs.request(garment=0), jobs.request(garment=1)
    object.__setattr__(wrong, "garment_key", first.garment_key)
    object.__setattr__(wrong, "garment_prompt", first.garment_prompt)
    assert names.name(first) != names.name(wrong)
    assert names.name(first) == names.name(jobs.request(garment=0))
