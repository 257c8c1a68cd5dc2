"""A store tier over a simulated S3, for the tests of the store."""

from vitrine_measure.cache.simulated_s3 import SimulatedS3
from vitrine_orchestrator.cache.key import Key, owner
from vitrine_orchestrator.cache.objects import Place, S3Objects
from vitrine_orchestrator.cache.store import Store

KEY = Key("upper_body", owner("person", "alice"), "recipe")


class Clock:
    """A clock that the test sets."""

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
