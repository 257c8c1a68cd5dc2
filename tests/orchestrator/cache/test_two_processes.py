"""Two real server processes that share the disk folder and the object store."""

import asyncio
import itertools
import json
import random
import sys
from pathlib import Path

import pytest


class Process:
    """A cache_process.py and the orders sent to it."""

    def __init__(self, folder, endpoint):
        self.command = [sys.executable, Path(__file__).with_name("cache_process.py"), folder, endpoint]
        self.waiting, self.ids = {}, itertools.count()

    async def __aenter__(self):
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*self.command, stdin=pipe, stdout=pipe)
        await self.process.stdout.readline()
        self.reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_):
        self.process.stdin.close()
        await self.reading
        assert await self.process.wait() == 0

    async def __call__(self, do, **order):
        """Send an order; returns its answer."""
        number = next(self.ids)
        self.waiting[number] = asyncio.get_running_loop().create_future()
        self.process.stdin.write(json.dumps({"do": do, "id": number, **order}).encode() + b"\n")
        return await self.waiting[number]

    async def _read(self):
        while line := await self.process.stdout.readline():
            told = json.loads(line)
            self.waiting.pop(told["id"]).set_result(told)


@pytest.fixture
async def pair(tmp_path, s3):
    async with (
        Process(tmp_path / "cache", s3.endpoint) as one,
        Process(tmp_path / "cache", s3.endpoint) as other,
    ):
        yield one, other


async def test_a_person_changed_on_one_is_never_served_stale_by_the_other(pair):
    """From the moment the invalidation has returned, both make or find the new version only.

    Each version is made slowly by several callers when the next one comes, in both processes, warm in memory,
    on disk and in the store; work that began before an invalidation ends after it.
    """
    dice, late = random.Random(5), []
    for version in range(12):
        changed_on = dice.choice(pair)
        await changed_on("forget", person="alice")
        order = {"person": "alice", "version": version}
        slow = [asyncio.create_task(one("get", takes_s=dice.uniform(0, 0.05), **order)) for one in pair]
        late += slow
        if dice.random() < 0.7:
            await asyncio.gather(*slow)
        answers = await asyncio.gather(*(one("get", takes_s=0, **order) for one in pair for _ in range(3)))
        assert {told["version"] for told in answers} == {version}
    assert len(await asyncio.gather(*late)) == 24


async def test_one_process_finds_what_the_other_made(pair):
    """A value is computed once: the second process reads it from disk, then from memory."""
    one, other = pair
    order = {"person": "bob", "version": 7, "takes_s": 0}
    assert (await one("get", **order))["source"] == "fresh"
    assert (await other("get", **order))["source"] == "disk"
    assert (await other("get", **order))["source"] == "memory"


async def test_clearing_user_1_leaves_user_10_warm(pair):
    """This holds in both processes."""
    one, other = pair
    for person in ("1", "10"):
        for process in pair:
            await process("get", person=person, version=1, takes_s=0)
    await one("forget", person="1")
    told = [await other("get", person=person, version=2, takes_s=0) for person in ("1", "10")]
    assert [answer["version"] for answer in told] == [2, 1]
