"""The object store tier over real HTTP: layout, digests, ranges, invalidation."""

import asyncio
import json
import struct
import zlib

import numpy as np
import pytest
from one_store import KEY, paths, put, store, value
from store_faults import ALWAYS, Times, status
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
from vitrine_orchestrator.cache.objects import PART_BYTES

ARRAYS = {
    "image": np.arange(6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3),
    "mask": np.full((6, 5), 255, np.uint8),
    "latents": np.ones((4, 3, 2), np.float32),
    "content_digest": np.arange(32, dtype=np.uint8),
}


async def test_an_entry_is_a_folder_that_a_person_can_read(s3):
    """Pictures are PNG files, other arrays one safetensors file; a manifest names their digests."""
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
    """A death during an upload leaves objects that no manifest names."""
    await put(store(s3), encode(ARRAYS))
    puts = [request.path.rsplit("/")[-1] for request in s3.requests if request.method == "PUT"]
    assert puts[-1] == "manifest.json"
    assert len(puts) == 4


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 17])
async def test_large_objects_are_read_in_ranges(s3, size):
    """Objects over 4 MB are read in parts with If-Match and joined in order."""
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
    """Deletion follows whole path segments, and removes the owner's objects for good."""
    tier = store(s3)
    for name in ("1", "10"):
        await put(tier, b"x", Key("dresses", owner("person", name), "n"))
    await tier.forget(owner("person", "1"))
    assert {path.split("/")[3] for path in s3.objects if path.endswith(("json", "bin"))} == {"10"}


async def test_another_host_sees_an_invalidation_at_once(s3):
    """A store on another host does not return what this one forgot."""
    one, other = store(s3), store(s3)
    await put(one, b"old")
    assert await value(other) == b"old"
    await one.forget(KEY.owner)
    assert await value(other) is None


async def test_an_upload_begun_before_an_invalidation_is_never_answered(s3):
    """This holds where objects and manifest arrive after the invalidation has returned."""
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
    """The generation is read once more before the manifest is written."""
    tier = store(s3)
    lease = (await tier.get(KEY)).lease
    await tier.forget(EVERYTHING)
    assert not await tier.put(KEY, b"stale", lease)
    assert tier.counters["stale_put"] == 1
    assert not paths(s3, "manifest")


async def test_one_missing_object_is_a_miss_of_the_whole(s3):
    """A set is returned whole or not at all."""
    await put(store(s3), encode(ARRAYS))
    del s3.objects[paths(s3, "mask")[0]]
    tier = store(s3)
    assert await value(tier) is None
    assert await put(tier, encode(ARRAYS))
    assert await value(tier) == encode(ARRAYS)


async def test_two_writers_never_give_a_mixed_set(s3):
    """When two hosts put different values under one key, a get returns one of them, whole."""
    one, other = store(s3), store(s3)
    ours, theirs = (encode(ARRAYS | {"mask": np.full((6, 5), n, np.uint8)}) for n in (1, 2))
    await asyncio.gather(put(one, ours), put(other, theirs))
    assert await value(store(s3)) in (ours, theirs)


async def test_an_invalidation_that_the_store_does_not_take_is_an_error(s3):
    """An invalidation that the store did not take is not reported as done."""
    tier = store(s3)
    await put(tier, b"x")
    s3.fault = Times(ALWAYS, status(503, "SlowDown"), "PUT")
    with pytest.raises(Unavailable, match="did not take an invalidation"):
        await tier.forget(KEY.owner)


def test_split_objects_are_joined_byte_for_byte():
    """Arrays come back from PNG as the same file; other bytes are kept unchanged."""
    for given in (encode(ARRAYS), encode({}), b"", b"no arrays", encode(ARRAYS) + b"x"):
        pictures = {array: from_png(data) for array, data in split(given).values() if array}
        (rest,) = (data for array, data in split(given).values() if array is None)
        assert join(rest, pictures) == given


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_picture_bomb_is_refused_before_decoding():
    """The header of a small PNG of 13000 x 13000 is read first, so it costs no memory."""
    size = struct.pack(">IIBBBBB", 13000, 13000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(13001) * 100)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    with pytest.raises(BadEntry, match="13000 x 13000, at most 40000000 pixels"):
        from_png(bomb)
