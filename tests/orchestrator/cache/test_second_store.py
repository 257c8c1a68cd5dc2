"""Restarts and checksums, on an S3 server that stores objects in files and compares checksums."""

import asyncio

import numpy as np
import pytest
from second_store import BUCKET, KEYS, SecondStore, damaging
from vitrine import NotFound, Shelf, Unavailable, open_store
from vitrine_orchestrator.cache.codec import encode
from vitrine_orchestrator.cache.key import Key, owner
from vitrine_orchestrator.cache.objects import PART_BYTES, Place, S3Objects
from vitrine_orchestrator.cache.store import Store

MARKER = b"this will be lost on the way"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server with its bucket."""
    server = SecondStore(tmp_path_factory.mktemp("second") / "store")
    server.start()
    server.make_bucket()
    yield server
    server.kill()


def store(endpoint: str) -> Store:
    """The cache of another host."""
    return Store(S3Objects(Place(BUCKET, "cache", endpoint, "us-east-1", KEYS)))


def key(name: str) -> Key:
    return Key("garment", owner("garment", name), "recipe")


async def put(tier: Store, key: Key, value: bytes) -> bool:
    return await tier.put(key, value, (await tier.get(key)).lease)


def arrays(number: int) -> bytes:
    """A picture and tensors, more than two parts long."""
    noise = np.random.default_rng(number)
    return encode(
        {
            "image": noise.integers(0, 255, (64, 48, 3), np.uint8),
            "latents": noise.standard_normal((PART_BYTES // 2,), np.float32),
        }
    )


async def test_entries_and_invalidations_outlive_a_killed_store(server):
    """After a restart kept values are found, forgotten ones are not, and older work is refused."""
    tier, values = store(server.endpoint), {key(name): arrays(n) for n, name in enumerate("ab")}
    for one, value in values.items():
        assert await put(tier, one, value)
    old_lease = (await tier.get(key("a"))).lease
    await tier.forget(key("a").owner)
    server.kill()
    await asyncio.to_thread(server.start)
    after = store(server.endpoint)
    assert (await after.get(key("a"))).value is None
    assert (await after.get(key("b"))).value == values[key("b")]
    assert not await after.put(key("a"), values[key("a")], old_lease)
    assert (await store(server.endpoint).get(key("a"))).value is None


async def test_an_upload_that_the_stores_death_cut_off_is_whole_or_a_miss(server):
    """Each of many interrupted uploads is whole or a miss, and can be put again."""
    values = {key(f"cut {n}"): arrays(n) for n in range(8)}
    tier = store(server.endpoint)
    leases = {one: (await tier.get(one)).lease for one in values}
    puts = [asyncio.create_task(tier.put(one, value, leases[one])) for one, value in values.items()]
    await asyncio.wait(puts, return_when=asyncio.FIRST_COMPLETED)
    server.kill()
    kept = await asyncio.gather(*puts)
    await asyncio.to_thread(server.start)
    after = store(server.endpoint)
    for (one, value), reported in zip(values.items(), kept, strict=True):
        found = (await after.get(one)).value
        assert found in ((value,) if reported else (value, None))
        assert found or await put(store(server.endpoint), one, value)
    assert after.counters["corrupt"] == 0


async def test_an_object_that_rotted_on_the_stores_disk_is_never_served(server):
    """One flipped bit in an object's file, with all headers right, is a counted miss."""
    tier, one = store(server.endpoint), key("rotten")
    assert await put(tier, one, arrays(1))
    for path in server.files():
        if "/rotten/" in str(path) and path.suffix == ".safetensors":
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    server.kill()
    await asyncio.to_thread(server.start)
    after = store(server.endpoint)
    assert (await after.get(one)).value is None
    assert after.counters["corrupt"] == 2  # it was fetched twice
    assert await put(after, one, arrays(1))
    assert (await store(server.endpoint).get(one)).value == arrays(1)


@pytest.mark.parametrize("size", [1000, 3 * PART_BYTES])
async def test_an_upload_damaged_on_its_way_is_refused_by_the_store(server, size):
    """The store compares our checksum and keeps nothing; the next undamaged upload is kept."""
    value, one = MARKER + bytes(size), key(f"damaged {size}")
    async with damaging(server.port, MARKER) as endpoint:
        tier = store(endpoint)
        assert not await put(tier, one, value)
        assert tier.counters["l3_unavailable"] == 1
    assert (await store(server.endpoint).get(one)).value is None
    assert await put(store(server.endpoint), one, value)
    assert (await store(server.endpoint).get(one)).value == value


async def test_the_way_carries_what_it_does_not_damage(server):
    """Control of the test above: another value passes through the proxy."""
    async with damaging(server.port, MARKER) as endpoint:
        assert await put(store(endpoint), key("other"), b"something else")


def test_results_outlive_a_killed_store_and_damaged_ones_are_known(server):
    """A picture, its record and its hidden mark survive; a picture with a flipped bit is refused."""
    shelf = Shelf(
        open_store(
            f"s3://{BUCKET}/results",
            endpoint=server.endpoint,
            region="us-east-1",
            access_key_id=KEYS[0],
            secret_access_key=KEYS[1],
        )
    )
    good, bad = "0" * 64, "1" * 64
    for name in (good, bad):
        shelf.keep(user="ada", key=name, encoded=b"a picture", story={"seed": 7})
    shelf.hide(user="ada", key=good)
    for path in server.files():
        if bad in path.name:
            path.write_bytes(b"b picture")
    server.kill()
    server.start()
    found = shelf.find(user="ada", key=good)
    assert (found.encoded, found.story["seed"]) == (b"a picture", 7)
    assert [entry.key for entry in shelf.entries(user="ada")] == [bad]
    with pytest.raises(Unavailable, match="damaged"):
        shelf.find(user="ada", key=bad)
    with pytest.raises(NotFound):
        shelf.hide(user="ada", key="2" * 64)
