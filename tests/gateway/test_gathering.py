"""Reads that are gathered: one for all who ask meanwhile, each read after it was asked for."""

import asyncio

import pytest
from vitrine_gateway.database import gathering
from vitrine_gateway.database.gathering import Gathered


async def test_those_who_ask_meanwhile_share_the_next_read():
    """The first read begins at once; what is asked for while it runs, or shortly after, comes together."""
    reads = []

    async def read(keys):
        reads.append(sorted(keys))
        await asyncio.sleep(0.01)
        return {key: key * 2 for key in keys if key != 9}

    gathered = Gathered(read)
    first = asyncio.create_task(gathered.get(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(gathered.get(key)) for key in (2, 3, 2, 9)]
    assert await first == 2
    assert await asyncio.gather(*others) == [4, 6, 4, None]
    assert reads == [[1], [2, 3, 9]]


async def test_an_error_is_that_of_all_who_asked_and_the_next_read_goes_on():
    """Everybody learns of it; later reads work."""
    fail = [True]

    async def read(keys):
        if fail.pop():
            raise OSError("away")
        return dict.fromkeys(keys, "there")

    gathered = Gathered(read)
    answers = await asyncio.gather(gathered.get(1), gathered.get(2), return_exceptions=True)
    assert [type(answer) for answer in answers] == [OSError, OSError]
    fail.append(False)
    assert await gathered.get(1) == "there"


@pytest.mark.parametrize("pause_s", [0.0, 10.0])
async def test_nobody_waits_for_a_read_that_is_cancelled(monkeypatch, pause_s):
    """At the end of an event loop all tasks are cancelled, the reading one too: who waits is told."""
    monkeypatch.setattr(gathering, "PAUSE_S", pause_s)

    async def read(keys):
        await asyncio.Event().wait()

    gathered = Gathered(read)
    gathered._begun_s = asyncio.get_running_loop().time()  # as after a read that has just begun
    waiting = [asyncio.create_task(gathered.get(key)) for key in (1, 2)]
    await asyncio.sleep(0.01)
    gathered._task.cancel()
    done, _ = await asyncio.wait(waiting, timeout=10)
    assert len(done) == 2
    assert all(task.cancelled() for task in done)


async def test_what_was_read_is_kept_until_something_is_written():
    """Missing keys too; a write during a read is a write after it."""
    asked, version = [], [1]

    async def read(keys):
        asked.append(sorted(keys))
        if len(asked) == 4:
            version[0] += 1  # by another process
        return {key: (key, version[0]) for key in keys if key != "missing"}

    gathered = Gathered(read, lambda: version[0])
    assert [await gathered.get(key) for key in ("a", "a", "missing", "missing")] == [
        ("a", 1),
        ("a", 1),
        None,
        None,
    ]
    assert asked == [["a"], ["missing"]]
    version[0] = 2
    assert await gathered.get("a") == ("a", 2)
    assert await gathered.get("b") == ("b", 3)
    assert await gathered.get("b") == ("b", 3)
    assert asked == [["a"], ["missing"], ["a"], ["b"], ["b"]]


async def test_nothing_is_kept_where_writes_cannot_be_told():
    """As on PostgreSQL."""
    asked = []

    async def read(keys):
        asked.append(sorted(keys))
        return dict.fromkeys(keys, "there")

    gathered = Gathered(read)
    assert [await gathered.get(1), await gathered.get(1)] == ["there"] * 2
    assert asked == [[1], [1]]


async def test_a_version_that_cannot_be_read_fails_those_who_wait():
    """Nobody waits for ever; when it can be read again, so can the keys."""
    answers = [OSError("away"), 1]

    def version():
        answer = answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    async def read(keys):
        return dict.fromkeys(keys, "there")

    gathered = Gathered(read, version)
    with pytest.raises(OSError, match="away"):
        await asyncio.wait_for(gathered.get(1), 10)
    del answers[0]
    assert await gathered.get(1) == "there"


async def test_few_answers_are_kept(monkeypatch):
    """Keys that nobody has, made up by the thousand, take no memory."""
    monkeypatch.setattr(gathering, "PAUSE_S", 0.0)

    async def read(keys):
        return {}

    gathered = Gathered(read, lambda: 1)
    for key in range(gathering.MOST + 50):
        await gathered.get(key)
    assert len(gathered._kept) <= gathering.MOST
