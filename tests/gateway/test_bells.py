"""Bells wake those who listen, from the moment in which they begin to listen."""

import asyncio

import pytest
from vitrine_gateway.bells import Bells, end_of

LONG_S = 20.0


@pytest.fixture
def bells():
    return Bells()


async def test_a_bell_that_rings_during_the_look_is_heard(bells):
    """What happens between a look and the wait is not noticed a pause later."""
    with bells.listening("job") as bell:
        await asyncio.sleep(0)  # a look into the database
        bells.ring_job("job")
        assert await asyncio.wait_for(bell.wait(LONG_S), 1)


async def test_a_bell_wakes_all_who_wait(bells):
    """Each of them, and nobody who listens to another one."""

    async def wait(name, seconds):
        with bells.listening(name) as bell:
            return await bell.wait(seconds)

    waiting = [asyncio.ensure_future(wait(name, LONG_S)) for name in ("job", "job", end_of("job"), "batch")]
    other = asyncio.ensure_future(wait("another job", 0.1))
    await asyncio.sleep(0)
    bells.ring_job("job", "batch", ended=True)
    assert await asyncio.wait_for(asyncio.gather(*waiting), 1) == [True] * 4
    assert not await other
    assert not bells.awaited


async def test_nothing_is_left_of_a_listener_that_was_cancelled(bells):
    """A caller who leaves costs nothing afterwards; others still hear."""

    async def wait():
        with bells.listening("job") as bell:
            return await bell.wait(LONG_S)

    leaving, staying = (asyncio.ensure_future(wait()) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert set(bells.awaited) == {"job"}
    bells.ring("job")
    assert await asyncio.wait_for(staying, 1)
    assert not bells.awaited
