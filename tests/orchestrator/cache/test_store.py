"""The object store tier over real HTTP: layout, digests, ranges, and the faults of rows 9 to 15."""

import asyncio
import json
import struct
import time
import zlib

import numpy as np
import pytest
from store_faults import ALWAYS, Times, cut, drip, flip, no_answer, reset, shorten, stall, status
from vitrine.errors import Unavailable
from vitrine_orchestrator.cache.codec import decode, encode
from vitrine_orchestrator.cache.key import EVERYTHING, Key, owner
from vitrine_orchestrator.cache.layout import (
    BadEntry,
    entry_folder,
    from_png,
    join,
    owner_folder,
    split,
)
from vitrine_orchestrator.cache.objects import PART_BYTES, Patience, Place, S3Objects
from vitrine_orchestrator.cache.simulated_s3 import SimulatedS3
from vitrine_orchestrator.cache.store import MISSING_S, QUARANTINE_S, Store

KEY = Key("upper_body", owner("person", "alice"), "recipe")
QUICK = Patience(connect_s=0.5, request_s=0.4, retries=2, retry_s=2.0)
ARRAYS = {
    "image": np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3),
    "mask": np.full((6, 5), 255, np.uint8),
    "latents": np.ones((4, 3, 2), np.float32),
    "content_digest": np.arange(32, dtype=np.uint8),
}


class Clock:
    """Stands still until it is set."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def store(server: SimulatedS3, clock=None, keys=("key", "secret"), patience=None) -> Store:
    objects = S3Objects(Place("bucket", "cache", server.endpoint, "us-east-1", keys), patience)
    return Store(objects, clock=clock or Clock())


async def put(tier: Store, value: bytes, key: Key = KEY) -> bool:
    return await tier.put(key, value, (await tier.get(key)).lease)


async def value(tier: Store, key: Key = KEY) -> bytes | None:
    return (await tier.get(key)).value


def paths(server: SimulatedS3, word: str) -> list[str]:
    return [path for path in server.objects if word in path]


async def test_an_entry_is_a_folder_that_a_person_can_read(s3):
    """Pictures are PNG files, other arrays one safetensors file, and a manifest names their digests."""
    assert await put(store(s3), encode(ARRAYS))
    folder = "cache/v1/person/alice/upper_body/"
    assert all(path.startswith(folder) for path in s3.objects)
    assert sorted(path.rsplit("/")[-1].split("-")[0] for path in s3.objects) == [
        "image",
        "manifest.json",
        "mask",
        "tensors",
    ]
    manifest = json.loads(s3.objects[paths(s3, "manifest")[0]])
    assert manifest["owner"] == "person:alice"
    assert set(manifest["objects"]) == {path.rsplit("/")[-1] for path in s3.objects} - {"manifest.json"}
    read = decode(await value(store(s3)))
    assert all(np.array_equal(read[name], ARRAYS[name]) for name in ARRAYS)


async def test_the_manifest_is_written_last(s3):
    """Whoever dies during an upload leaves objects that no manifest names."""
    await put(store(s3), encode(ARRAYS))
    puts = [request.path.rsplit("/")[-1] for request in s3.requests if request.method == "PUT"]
    assert puts[-1] == "manifest.json"
    assert len(puts) == 4


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 17])
async def test_large_objects_are_read_in_ranges(s3, size):
    """Objects over 4 MB come in parts, each asked for with If-Match, and are joined rightly."""
    given = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    await put(store(s3), given)
    s3.requests.clear()
    assert await value(store(s3)) == given
    parts = [request for request in s3.requests if "value-" in request.path]
    assert len(parts) == -(-size // PART_BYTES)
    assert all(request.headers["if-match"] and request.headers["range"] for request in parts)


async def test_an_id_that_is_no_plain_word_becomes_a_digest(s3):
    """Folders of hard ids are digests, of plain ones the ids themselves; none is a prefix of another's."""
    assert owner_folder("person:1") == "v1/person/1"
    hard = ["../x", "a/b", "", "é", "~", "x" * 65, "\0", "a.b", "sha256.1"]
    folders = [owner_folder(owner("person", name)) for name in hard]
    assert len(set(folders)) == len(hard)
    assert all(folder.startswith("v1/person/sha256.") and folder.count("/") == 2 for folder in folders)
    assert "/sha256." in entry_folder(Key("../up", "person:1", "n"))


async def test_clearing_user_1_leaves_user_10(s3):
    """Deletion goes by whole path segments, and deletes what the owner had for good."""
    tier = store(s3)
    for name in ("1", "10"):
        await put(tier, b"x", Key("dresses", owner("person", name), "n"))
    await tier.forget(owner("person", "1"))
    assert {path.split("/")[3] for path in s3.objects if path.endswith(("json", "bin"))} == {"10"}


async def test_another_host_sees_an_invalidation_at_once(s3):
    """Two stores with nothing in common but the bucket: what one forgets, the other does not answer."""
    one, other = store(s3), store(s3)
    await put(one, b"old")
    assert await value(other) == b"old"
    await one.forget(KEY.owner)
    assert await value(other) is None


async def test_an_upload_begun_before_an_invalidation_is_never_answered(s3):
    """Even where the objects and the manifest land after the invalidation has returned."""
    one, other = store(s3), store(s3)
    lease = (await one.get(KEY)).lease

    async def forget_meanwhile(request, response, writer):
        s3.fault = None
        uploaded = dict(s3.objects)
        await other.forget(KEY.owner)
        s3.objects = uploaded | s3.objects  # only now do they arrive

    s3.fault = Times(1, forget_meanwhile, "PUT", "manifest")
    await one.put(KEY, b"stale", lease)
    assert paths(s3, "manifest")
    assert await value(one) is None
    assert await value(other) is None


async def test_a_put_after_an_invalidation_is_refused(s3):
    """The generation is looked at once more before the manifest is written."""
    tier = store(s3)
    lease = (await tier.get(KEY)).lease
    await tier.forget(EVERYTHING)
    assert not await tier.put(KEY, b"stale", lease)
    assert tier.counters["stale_put"] == 1
    assert not paths(s3, "manifest")


SOON_OVER = {
    "503 twice": Times(2, status(503, "SlowDown"), path="value"),
    "500 once": Times(1, status(500, "InternalError"), path="manifest"),
    "429 once": Times(1, status(429, "TooManyRequests"), path="value"),
    "reset once": Times(1, reset, path="value"),
    "cut once": Times(1, cut, path="value"),
    "stall once": Times(1, stall, path="value"),
    "no answer once": Times(1, no_answer, path="value"),
    "damaged once": Times(1, flip, path="value"),
    "short once": Times(1, shorten, path="value"),
    "replaced once": Times(1, status(412, "PreconditionFailed"), path="value"),
}


@pytest.mark.parametrize("name", SOON_OVER)
async def test_a_fault_that_passes_costs_only_time(s3, name):
    """A retry, a resumed body or a second fetch gets the right value; damage is counted."""
    await put(store(s3), b"x" * 3000)
    tier, fault = store(s3, patience=QUICK), SOON_OVER[name]
    fault.seen, s3.fault = 0, fault
    assert await value(tier) == b"x" * 3000
    assert fault.seen > fault.count
    assert tier.counters["corrupt"] == (name in ("damaged once", "short once", "replaced once"))


LASTING = {
    "503": status(503, "SlowDown"),
    "500": status(500, "InternalError"),
    "429": status(429, "TooManyRequests"),
    "reset": reset,
    "cut": cut,
    "stall": stall,
    "no answer": no_answer,
    "drip": drip,
}


@pytest.mark.parametrize("name", LASTING)
async def test_a_fault_that_lasts_is_a_miss_within_the_deadline(s3, name, monkeypatch):
    """No error, no put wanted, counted as unavailable, and over in bounded time."""
    monkeypatch.setattr("vitrine_orchestrator.cache.store.GET_LIMIT_S", 2.5)
    await put(store(s3), b"x" * 3000)
    tier = store(s3, patience=QUICK)
    s3.fault = Times(ALWAYS, LASTING[name])
    began = time.monotonic()
    assert await tier.get(KEY) == (None, None)
    assert time.monotonic() - began < 30  # 2.5 s, on a loaded machine
    assert tier.counters["l3_unavailable"] == 1


async def test_a_store_that_fails_is_left_alone_for_a_while(s3):
    """After three failures no request goes out; after a pause one tries, and its success opens the way."""
    clock = Clock()
    await put(store(s3), b"x")
    tier = store(s3, clock, patience=Patience(retries=0))
    s3.fault = Times(ALWAYS, status(503, "SlowDown"))
    for _ in range(3):
        await tier.get(KEY)
    s3.requests.clear()
    assert await tier.get(KEY) == (None, None)
    assert not await tier.put(KEY, b"y", b"lease")
    assert s3.requests == []
    clock.now += 1.0
    assert await tier.get(KEY) == (None, None)
    assert s3.requests
    s3.fault = None
    clock.now += 2.0
    assert await value(tier) == b"x"
    assert await value(tier) == b"x"


@pytest.mark.parametrize("damage", [flip, shorten])
async def test_a_value_that_stays_damaged_is_a_miss_and_quarantined(s3, damage):
    """Fetched twice, never answered, not fetched again for a minute, and mended by the next put."""
    clock = Clock()
    await put(store(s3), b"x" * 100)
    tier = store(s3, clock)
    s3.fault = Times(ALWAYS, damage, path="value")
    got = await tier.get(KEY)
    assert got.value is None
    assert got.lease is not None
    assert tier.counters["corrupt"] == 2
    s3.requests.clear()
    assert await value(tier) is None
    assert not [request for request in s3.requests if "value" in request.path]
    s3.fault = None
    clock.now += QUARANTINE_S
    assert await value(tier) == b"x" * 100
    assert await put(tier, b"mended")
    assert await value(tier) == b"mended"


async def test_another_keys_objects_under_a_key_are_a_miss(s3):
    """A manifest copied from another key says so itself; swapped objects have other digests."""
    tier, other = store(s3), Key("upper_body", owner("person", "bob"), "recipe")
    await put(tier, b"alice's")
    await put(tier, b"bob's")
    await put(tier, b"bob's", other)
    for path in paths(s3, "bob"):
        s3.objects[path.replace("bob", "alice")] = s3.objects[path]
    assert await value(store(s3)) is None
    mine = [path for path in paths(s3, "alice") if "value" in path]
    for path in mine:
        s3.objects[path] = b"mallory"
    assert await value(store(s3)) is None


async def test_parts_of_two_versions_are_never_joined(s3):
    """An object replaced between two ranges is refused by If-Match and the whole fetch begins again."""
    first, second = b"a" * (PART_BYTES + 10), b"b" * (PART_BYTES + 10)
    await put(store(s3), first)
    path = paths(s3, "value")[0]

    async def replace(request, response, writer):
        if request.headers["range"].startswith("bytes=0-"):
            s3.objects[path] = second

    s3.fault = Times(ALWAYS, replace, path="value")
    tier = store(s3)
    found = await value(tier)
    assert found in (None, first)  # all parts may have been read before the object was replaced
    assert tier.counters["corrupt"] == (2 if found is None else 0)


async def test_refused_is_not_missing(s3):
    """403 renews the credentials once, then counts as denied; nothing is put and no miss is remembered."""
    await put(store(s3), b"x")
    tier, renewed = store(s3), []
    tier.objects.renew = lambda: renewed.append(1)
    s3.fault = Times(ALWAYS, status(403, "AccessDenied"))
    assert await tier.get(KEY) == (None, None)
    assert (tier.counters["denied"], len(renewed)) == (1, 1)
    s3.fault = None
    assert await value(tier) == b"x"


@pytest.mark.parametrize("fault", [status(403, "AccessDenied"), status(400, "ExpiredToken")])
async def test_expired_credentials_are_renewed(s3, fault):
    """Refused once, the next try takes new credentials and succeeds."""
    await put(store(s3), b"x")
    tier = store(s3)
    s3.fault = Times(1, fault, path="manifest")
    assert await value(tier) == b"x"
    assert tier.counters["denied"] == 0


async def test_without_credentials_there_is_no_third_tier(s3, monkeypatch, tmp_path):
    """Nothing raises, at the start or later: gets are misses and are counted as denied."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    tier = store(s3, keys=None)
    assert await tier.get(KEY) == (None, None)
    assert tier.counters["denied"] == 1
    assert s3.requests == []


async def test_credentials_are_found_as_boto3_finds_them(s3, monkeypatch, tmp_path):
    """The shared credentials file works, profile included."""
    keys = "aws_access_key_id=found\naws_secret_access_key=secret\n"
    (tmp_path / "credentials").write_text(f"[wardrobe]\n{keys}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "wardrobe")
    assert await put(store(s3, keys=None), b"x")
    assert all("Credential=found/" in request.headers["authorization"] for request in s3.requests)


async def test_a_miss_is_remembered_for_two_seconds_and_cleared_by_a_put(s3):
    """Many misses in a row ask the store once; what is put is found at once."""
    clock = Clock()
    tier = store(s3, clock)
    assert [await value(tier) for _ in range(5)] == [None] * 5
    assert len(s3.requests) == 3  # the manifest and two generations
    other = store(s3)
    await put(other, b"x")
    assert await value(tier) is None
    clock.now += MISSING_S
    assert await value(tier) == b"x"
    await tier.forget(KEY.owner)
    assert await value(tier) is None
    await put(tier, b"y")
    assert await value(tier) == b"y"


async def test_one_missing_object_is_a_miss_of_the_whole(s3):
    """A set is answered complete or not at all."""
    await put(store(s3), encode(ARRAYS))
    del s3.objects[paths(s3, "mask")[0]]
    tier = store(s3)
    assert await value(tier) is None
    assert await put(tier, encode(ARRAYS))
    assert await value(tier) == encode(ARRAYS)


async def test_two_writers_never_give_a_mixed_set(s3):
    """Two hosts put different values under one key at once: the next get answers one of them, whole."""
    one, other = store(s3), store(s3)
    ours, theirs = (encode(ARRAYS | {"mask": np.full((6, 5), n, np.uint8)}) for n in (1, 2))
    await asyncio.gather(put(one, ours), put(other, theirs))
    assert await value(store(s3)) in (ours, theirs)


async def test_an_invalidation_that_the_store_does_not_take_is_an_error(s3):
    """Success is not reported for what may still be served."""
    tier = store(s3)
    await put(tier, b"x")
    s3.fault = Times(ALWAYS, status(503, "SlowDown"), "PUT")
    with pytest.raises(Unavailable, match="did not take an invalidation"):
        await tier.forget(KEY.owner)


def test_what_is_split_is_joined_again_byte_for_byte():
    """Arrays through PNG and back are the same file; other bytes are kept as they are."""
    for given in (encode(ARRAYS), encode({}), b"", b"no arrays", encode(ARRAYS) + b"x"):
        pictures = {array: from_png(data) for array, data in split(given).values() if array}
        (rest,) = (data for array, data in split(given).values() if array is None)
        assert join(rest, pictures) == given


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_picture_bomb_is_refused_before_decoding():
    """A small PNG that says 13000 x 13000 costs no memory: its header is read first."""
    size = struct.pack(">IIBBBBB", 13000, 13000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(13001) * 100)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(BadEntry, match="13000 x 13000, at most 40000000 pixels"):
        from_png(bomb)
