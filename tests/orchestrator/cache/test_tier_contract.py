"""The promises of every tier, tested against each of them."""

import pytest
from vitrine_orchestrator.cache.disk.tier import Disk
from vitrine_orchestrator.cache.generations import OwnGenerations
from vitrine_orchestrator.cache.key import EVERYTHING, Key, owner
from vitrine_orchestrator.cache.memory import Memory
from vitrine_orchestrator.cache.objects import Place, S3Objects
from vitrine_orchestrator.cache.store import Store
from vitrine_orchestrator.cache.tier import Off

KEY = Key("garment", owner("garment", "coat"), "latents")

# Texts that a careless path or prefix would mix up, lose, or let out of the folder.
HARD = [
    "1", "10", "1/0", "a", "A", "a/b", "a//b", "../a", "../../etc/passwd", "/a", "a/", ".", "..", "", " ",
    "a\0b", "a\n", "*", "?", "[a]", "~", "%2e", "caf\u00e9", "cafe\u0301", "\U0001f9e5", "\ud800",
    "x" * 10_000, "con", "a\\b", "a:b",
]  # fmt: skip


@pytest.fixture(params=["memory", "disk", "store"])
async def tier(request, tmp_path, s3):
    place = Place("bucket", "cache", s3.endpoint, "us-east-1", ("key", "secret"))
    make = {
        "memory": lambda: Memory(OwnGenerations()),
        "disk": lambda: Disk(tmp_path),
        "store": lambda: Store(S3Objects(place)),
    }
    made = make[request.param]()
    yield made
    await made.close()


async def put(tier, key: Key, value: bytes) -> bool:
    return await tier.put(key, value, (await tier.get(key)).lease)


async def value(tier, key: Key) -> bytes | None:
    return (await tier.get(key)).value


async def test_a_tier_returns_what_it_was_given(tier):
    """A get after a put returns the same bytes, of any length."""
    for size in (0, 1, 4096, 1_000_001):
        given = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert await put(tier, KEY, given)
        assert await value(tier, KEY) == given


async def test_a_key_never_put_is_a_miss(tier):
    """A get of a key that was never put returns nothing."""
    assert await value(tier, KEY) is None


async def test_the_last_put_wins(tier):
    """A second put under a key replaces the first."""
    await put(tier, KEY, b"old")
    lease = (await tier.get(KEY)).lease
    assert await tier.put(KEY, b"new", lease)
    assert await value(tier, KEY) == b"new"


async def test_hard_names_neither_collide_nor_break(tier):
    """Ids with path parts, NUL, case and normalisation variants each keep a value of their own."""
    keys = [Key("text", owner("garment", text), "t") for text in HARD]
    keys += [Key("text", owner("garment", "g"), text) for text in HARD]
    for n, key in enumerate(keys):
        assert await put(tier, key, str(n).encode())
    assert [await value(tier, key) for key in keys] == [str(n).encode() for n in range(len(keys))]


async def test_categories_are_separate(tier):
    """The same owner and name in two categories are two values."""
    upper, lower = (Key(category, "person:1", "n") for category in ("upper_body", "lower_body"))
    await put(tier, upper, b"upper")
    await put(tier, lower, b"lower")
    assert (await value(tier, upper), await value(tier, lower)) == (b"upper", b"lower")


async def test_forgetting_one_owner_leaves_the_others(tier):
    """Forgetting person 1 takes all their categories and nothing of person 10."""
    one, ten = owner("person", "1"), owner("person", "10")
    keys = [Key(category, who, "n") for who in (one, ten) for category in ("upper_body", "dresses")]
    for key in keys:
        await put(tier, key, b"x")
    await tier.forget(one)
    assert [await value(tier, key) for key in keys] == [None, None, b"x", b"x"]


async def test_forgetting_everything_leaves_nothing(tier):
    """The owner EVERYTHING stands for all owners."""
    keys = [Key("text", owner("garment", text), "t") for text in HARD[:8]]
    for key in keys:
        await put(tier, key, b"x")
    await tier.forget(EVERYTHING)
    assert [await value(tier, key) for key in keys] == [None] * 8


async def test_work_begun_before_an_invalidation_cannot_bring_a_value_back(tier):
    """A put with an older lease is refused or never returned; one with a new lease works."""
    lease = (await tier.get(KEY)).lease
    await tier.forget(KEY.owner)
    await tier.put(KEY, b"stale", lease)
    assert await value(tier, KEY) is None
    assert await put(tier, KEY, b"fresh")
    assert await value(tier, KEY) == b"fresh"


async def test_a_returned_value_cannot_be_changed(tier):
    """Values are bytes, so no caller can change what the next one gets."""
    await put(tier, KEY, b"x")
    assert type(await value(tier, KEY)) is bytes


async def test_no_cache_is_a_tier_too():
    """The tier for "off" answers every get with a miss and keeps nothing."""
    off = Off()
    assert not await off.put(KEY, b"x", b"")
    assert await value(off, KEY) is None
    await off.forget(EVERYTHING)
    await off.close()
