"""The memory tier: limits by category, order of eviction, and age."""

import random

import pytest
from vitrine_orchestrator.cache.expiry import BASE_S
from vitrine_orchestrator.cache.generations import OwnGenerations
from vitrine_orchestrator.cache.key import Category, Key, owner
from vitrine_orchestrator.cache.memory import Memory
from vitrine_orchestrator.cache.tier import CacheCounters
from vitrine_orchestrator.try_on.cache_rows import LIMITS


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def memory(max_entries: int = 10, max_bytes: int = 1000, clock=None) -> Memory:
    limits = {name: Category(max_entries, max_bytes) for name in LIMITS}
    return Memory(OwnGenerations(), CacheCounters(), limits, clock or Clock())


def key(name: object, category: str = "garment") -> Key:
    return Key(category, owner("garment", str(name)), "latents")


async def put(tier: Memory, which: Key, value: bytes) -> bool:
    return await tier.put(which, value, (await tier.get(which)).lease)


async def has(tier: Memory, which: Key) -> bool:
    return (await tier.get(which)).value is not None


async def test_the_eleventh_person_pushes_out_one_of_the_same_category_only():
    """Each category of people has ten places of its own."""
    tier = memory()
    await put(tier, key("legs", "lower_body"), b"x")
    for person in range(11):
        await put(tier, key(person, "upper_body"), b"x")
    assert tier.sizes()["upper_body"]["entries"] == 10
    assert await has(tier, key("legs", "lower_body"))
    assert tier.counters["evictions"] == 1


async def test_the_least_recently_used_leaves_first():
    """Among values on probation the least recently used is evicted."""
    tier = memory(max_entries=3)
    for name in "abcd":
        await put(tier, key(name), b"x")
    assert [name for name in "abcd" if tier.lrus["garment"].peek(key(name))] == ["b", "c", "d"]


async def test_a_scan_of_one_off_garments_leaves_the_hot_set():
    """Half of all lookups go to one-off garments: the hot set still hits at 0.95 or better."""
    tier, dice, hits, asked = memory(max_entries=100, max_bytes=10**6), random.Random(4), 0, 0
    hot = [key(f"hot {n}") for n in range(60)]
    for n in range(5000):
        which = dice.choice(hot) if n % 2 else key(f"once {n}")
        found = await has(tier, which)
        if n > 1000 and n % 2:
            asked, hits = asked + 1, hits + found
        if not found:
            await put(tier, which, b"x" * 100)
    assert hits / asked >= 0.95


async def test_bytes_are_counted_exactly_through_random_use():
    """After any puts, reads and forgets the reported sizes are the held ones, within the limits."""
    tier, dice = memory(max_entries=50, max_bytes=5000), random.Random(7)
    for step in range(1500):
        which = key(dice.randrange(200))
        if dice.random() < 0.5:
            await put(tier, which, bytes(dice.choice([0, 1, 7, 300, 1000, 1001])))
        elif dice.random() < 0.02:
            await tier.forget(which.owner)
        else:
            await tier.get(which)
        if step % 20:
            continue
        shelf = tier.lrus["garment"]
        sizes = [len(shelf.peek(one).value) for one in shelf]
        assert tier.sizes()["garment"] == {"entries": len(sizes), "bytes": sum(sizes)}
        assert shelf.protected_bytes == sum(len(entry.value) for entry in shelf.protected.values())
        assert len(sizes) <= 50
        assert sum(sizes) <= 5000


async def test_a_value_too_large_is_not_kept_and_evicts_nothing():
    """A value over a fifth of its category's bytes is refused, and all others stay."""
    tier = memory(max_bytes=1000)
    for name in "abcde":
        await put(tier, key(name), b"x" * 100)
    assert not await put(tier, key("wide"), b"x" * 201)
    assert [await has(tier, key(name)) for name in "abcde"] == [True] * 5
    assert tier.counters["oversize"] == 1


async def test_ten_thousand_tiny_values_stay_within_the_count():
    """Values of no bytes count towards the number of entries."""
    tier = memory(max_entries=100)
    for name in range(10_000):
        await put(tier, key(name), b"")
    assert tier.sizes()["garment"] == {"entries": 100, "bytes": 0}


@pytest.mark.parametrize(
    ("reads", "lifetimes"), [(0, 1), (9, 1), (10, 2), (11, 2), (49, 2), (50, 4), (51, 4), (500, 4)]
)
async def test_reads_lengthen_a_life_at_ten_and_at_fifty(reads, lifetimes):
    """With 9/10/11 and 49/50/51 reads a value's ttl is 24, 48 or 96 hours, to the second."""
    for age_s, lives in ((lifetimes * BASE_S - 1, True), (lifetimes * BASE_S, False)):
        clock = Clock()
        tier = memory(clock=clock)
        await put(tier, key("coat"), b"x")
        for _ in range(reads):
            await tier.get(key("coat"))
        clock.now += age_s
        assert await has(tier, key("coat")) is lives
        assert tier.counters["expired"] == (not lives)


async def test_no_read_makes_a_value_immortal():
    """Age counts from the put: a value read twice an hour expires after 96 hours."""
    clock = Clock()
    tier = memory(clock=clock)
    await put(tier, key("coat"), b"x")
    hours = 0
    while await has(tier, key("coat")) and hours < 1000:
        await tier.get(key("coat"))
        clock.now, hours = clock.now + 3600, hours + 1
    assert hours == 96


async def test_a_clock_that_stands_still_expires_nothing_and_breaks_nothing():
    """A paused monotonic clock neither expires values nor raises."""
    tier = memory()
    await put(tier, key("coat"), b"x")
    assert [await has(tier, key("coat")) for _ in range(100)] == [True] * 100
