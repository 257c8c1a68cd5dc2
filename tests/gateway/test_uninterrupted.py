"""A write is not left half done when its caller is cancelled."""

import asyncio

import pytest
from vitrine_gateway.jobs.uninterrupted import uninterrupted


async def test_the_work_ends_before_the_cancellation_is_raised():
    """The caller is cancelled, and what it had begun is done."""
    began, go, done = asyncio.Event(), asyncio.Event(), []

    async def write():
        began.set()
        await go.wait()
        done.append(1)

    caller = asyncio.create_task(uninterrupted(write()))
    await began.wait()
    caller.cancel()
    await asyncio.sleep(0)
    assert not caller.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert done == [1]


async def test_answers_and_errors_are_the_works_own():
    """Without a cancellation nothing is different."""

    async def answer(value):
        if isinstance(value, Exception):
            raise value
        return value

    assert await uninterrupted(answer(3)) == 3
    with pytest.raises(ValueError, match="no"):
        await uninterrupted(answer(ValueError("no")))
