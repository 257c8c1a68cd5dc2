"""The store tier against moto's S3 server, an independent implementation of the protocol."""

import boto3
import numpy as np
import pytest
from moto.server import ThreadedMotoServer
from vitrine_orchestrator.cache.codec import decode, encode
from vitrine_orchestrator.cache.key import EVERYTHING, Key, owner
from vitrine_orchestrator.cache.objects import PART_BYTES, Place, S3Objects
from vitrine_orchestrator.cache.store import Store

KEYS = ("key", "secret")


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint):
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEYS[0],
        aws_secret_access_key=KEYS[1],
    )
    client.create_bucket(Bucket="wardrobe")
    yield client
    for row in client.list_objects_v2(Bucket="wardrobe").get("Contents", []):
        client.delete_object(Bucket="wardrobe", Key=row["Key"])
    client.delete_bucket(Bucket="wardrobe")
    client.close()


def store(endpoint: str, bucket: str = "wardrobe") -> Store:
    return Store(S3Objects(Place(bucket, "cache", endpoint, "us-east-1", KEYS)))


async def put(tier: Store, key: Key, value: bytes) -> bool:
    return await tier.put(key, value, (await tier.get(key)).lease)


async def test_entries_survive_the_trip(endpoint, bucket):
    """Small entries survive, and one that is written in parts and read in ranges."""
    rng = np.random.default_rng(3)
    given = {
        "image": rng.integers(0, 255, (64, 48, 3), np.uint8),
        "latents": rng.standard_normal((PART_BYTES // 2,), np.float32),
    }
    key = Key("upper_body", owner("person", "é/../1"), "recipe")
    assert await put(store(endpoint), key, encode(given))
    read = decode((await store(endpoint).get(key)).value)
    assert all(np.array_equal(read[name], given[name]) for name in given)


async def test_forgetting_deletes_by_whole_segments(endpoint, bucket):
    """Person 1 is deleted and person 10 stays; then everything is, except the record of invalidations."""
    tier, keys = store(endpoint), [Key("dresses", owner("person", name), "recipe") for name in ("1", "10")]
    for key in keys:
        await put(tier, key, b"x")
    await tier.forget(keys[0].owner)
    assert [(await store(endpoint).get(key)).value for key in keys] == [None, b"x"]
    await tier.forget(EVERYTHING)
    assert (await store(endpoint).get(keys[1])).value is None
    left = [row["Key"] for row in bucket.list_objects_v2(Bucket="wardrobe")["Contents"]]
    assert all(path.endswith("/generation") or "/forgotten/" in path for path in left)


async def test_a_wrong_object_under_a_name_is_refused(endpoint, bucket):
    """An object whose digest is not the manifest's is refused, whatever wrote it."""
    tier, key = store(endpoint), Key("text", owner("garment", "coat"), "recipe")
    await put(tier, key, b"right")
    for row in bucket.list_objects_v2(Bucket="wardrobe")["Contents"]:
        if "value" in row["Key"]:
            bucket.put_object(Bucket="wardrobe", Key=row["Key"], Body=b"wrong")
    assert (await store(endpoint).get(key)).value is None


async def test_a_bucket_that_is_not_there_is_no_miss(endpoint, bucket):
    """A misspelt bucket counts as unavailable, and nothing is put."""
    tier = store(endpoint, "misspelt")
    assert await tier.get(Key("text", owner("garment", "coat"), "recipe")) == (None, None)
    assert tier.counters["l3_unavailable"] == 1
