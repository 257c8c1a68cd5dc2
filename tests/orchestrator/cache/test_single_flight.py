"""Concurrent callers share one computation, whichever of them leaves, fails or hangs."""

import asyncio

import pytest
from vitrine_orchestrator.cache.single_flight import SingleFlight


class Work:
    """Work that counts its starts, and ends when the test allows it."""

    def __init__(self, error=None):
        self.begun, self.error, self.cancelled = 0, error, 0
        self.let = asyncio.Event()

    async def __call__(self):
        self.begun += 1
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        return self.begun


async def start(flights, work, count, name="key"):
    tasks = [asyncio.create_task(flights.run(name, work)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_two_hundred_callers_share_one_computation():
    """All callers get the same result."""
    work, flights = Work(), SingleFlight()
    tasks = await start(flights, work, 200)
    work.let.set()
    assert await asyncio.gather(*tasks) == [1] * 200
    assert work.begun == 1


async def test_a_cancelled_leader_fails_nobody_else():
    """The work continues for the callers that still wait."""
    work, flights = Work(), SingleFlight()
    leader, *others = await start(flights, work, 20)
    leader.cancel()
    await asyncio.sleep(0)
    work.let.set()
    assert await asyncio.gather(*others) == [1] * 19
    assert leader.cancelled()
    assert work.begun == 1


async def test_an_error_goes_to_all_and_is_not_kept():
    """Every waiting caller gets the error, and the next caller tries again."""
    work, flights = Work(ValueError("no person found")), SingleFlight()
    tasks = await start(flights, work, 20)
    work.let.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {str(answer) for answer in answers} == {"no person found"}
    assert work.begun == 1
    work.error = None
    assert await flights.run("key", work) == 2


async def test_work_that_nobody_waits_for_is_cancelled():
    """The work is cancelled when its last caller leaves."""
    work, flights = Work(), SingleFlight()
    for task in await start(flights, work, 3):
        task.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert work.cancelled == 1
    assert flights._flights == {}


async def test_followers_stop_waiting_for_hanging_work():
    """After the wait the followers share new work, while the leader still waits for its own."""
    flights, hung, fresh = SingleFlight(wait_s=1.0), Work(), Work()
    asyncio.get_running_loop().call_later(1.5, fresh.let.set)  # all have given up, none twice
    (leader,) = await start(flights, hung, 1)
    followers = await start(flights, fresh, 20)
    assert await asyncio.gather(*followers) == [1] * 20
    assert (hung.begun, fresh.begun) == (1, 1)
    hung.let.set()
    assert await leader == 1


async def test_a_timeout_of_the_work_itself_is_its_error():
    """A timeout of the work is not taken for the followers' limit."""
    work, flights = Work(TimeoutError("stage")), SingleFlight()
    tasks = await start(flights, work, 3)
    work.let.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {str(answer) for answer in answers} == {"stage"}
    assert work.begun == 1


async def test_other_names_do_not_share_a_call():
    """Only calls of the same name are shared."""
    work, flights = Work(), SingleFlight()
    tasks = await start(flights, work, 2, "a") + await start(flights, work, 2, "b")
    work.let.set()
    await asyncio.gather(*tasks)
    assert work.begun == 2


@pytest.mark.parametrize("ends", [1, 2])
async def test_the_next_caller_after_an_end_computes_again(ends):
    """No result is kept after the end, since that is the tiers' task."""
    work, flights = Work(), SingleFlight()
    work.let.set()
    for end in range(ends):
        assert await flights.run("key", work) == end + 1
