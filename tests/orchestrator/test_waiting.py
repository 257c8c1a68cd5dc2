"""Requests that wait in a model's process."""

import asyncio

import pytest
from vitrine.errors import Busy
from vitrine_orchestrator.adapters.waiting import Waiting, waiting_of
from vitrine_orchestrator.stages import stage


def test_requests_get_places_in_the_order_of_their_arrival():
    """No more than there are places have one, and each place is given on at once."""

    async def go():
        waiting, began, most, now = Waiting("m", places=2, size=10, timeout_s=10), [], 0, 0

        async def work(number):
            nonlocal most, now
            async with waiting.place(0):
                began.append(number)
                now += 1
                most = max(most, now)
                await asyncio.sleep(0)
                now -= 1

        await asyncio.gather(*(work(number) for number in range(8)))
        return began, most

    assert asyncio.run(go()) == (list(range(8)), 2)


def test_one_too_many_is_refused_at_once():
    """The message gives the number and the limit; those who wait are not disturbed."""

    async def go():
        waiting, go_on = Waiting("m", places=1, size=2, timeout_s=10), asyncio.Event()

        async def work():
            async with waiting.place(0):
                await go_on.wait()

        tasks = [asyncio.create_task(work()) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="2 requests wait for m, the limit is 2"):
            await work()
        go_on.set()
        await asyncio.gather(*tasks)
        await work()  # there is room again

    asyncio.run(go())


@pytest.mark.parametrize(("own_s", "limit"), [(0, "0.02"), (0.01, "0.01")])
def test_a_request_waits_no_longer_than_its_limit(own_s, limit):
    """The request's own limit counts before the model's. A place that was waited for in vain is not lost."""

    async def go():
        waiting = Waiting("m", places=1, size=2, timeout_s=0.02)
        async with waiting.place(0):
            with pytest.raises(Busy, match=f"the request waited for m for {limit} s"):
                async with waiting.place(own_s):
                    pass
        async with waiting.place(0):
            pass

    asyncio.run(go())


def test_who_leaves_while_waiting_or_fails_in_place_holds_nothing():
    """Neither takes a place with it."""

    async def go():
        waiting = Waiting("m", places=1, size=1, timeout_s=10)

        async def work():
            async with waiting.place(0):
                raise KeyError("failed")

        async with waiting.place(0):
            leaving = asyncio.create_task(work())
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
        for _ in range(2):
            with pytest.raises(KeyError):
                await work()

    asyncio.run(go())


def test_the_table_says_whose_requests_wait_in_their_process():
    """Pipelines' own models leave it to Triton, which knows priorities."""
    assert waiting_of(stage("text_overlay"), 4) is not None
    assert waiting_of(stage("try_on"), 4) is None
