"""One Idempotency-Key sent several times at once: each call is answered with the first one's job."""

import asyncio

import pytest

KEY = {"Idempotency-Key": "order-1"}


@pytest.mark.databases
@pytest.mark.parametrize(
    ("credits", "values"),
    [(1, {}), (9, {"max_queued": 1}), (9, {"rate_jobs": "1/1000"})],
    ids=["one credit", "one place", "one job in this time"],
)
async def test_what_is_left_for_one_job_is_enough_for_its_repetitions(start, form, credits, values):
    """Repetitions cost no credit, no place in the queue and no token of the rate limit."""
    async with start(workers=0, **values) as gateway:
        shop = await gateway.account(credits=credits)
        answers = await asyncio.gather(*[shop.post("/v1/jobs", files=form, headers=KEY) for _ in range(4)])
        assert [answer.status_code for answer in answers] == [202] * 4
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("idempotent-replayed" in answer.headers for answer in answers) == 3
        assert (await shop.get("/v1/credits")).json()["credits"] == credits - 1
        assert await gateway.unbalanced() == []


@pytest.mark.databases
async def test_repetitions_of_a_batch_are_no_new_batch(start, person, garment):
    """A batch takes what is left whole, and its repetitions take nothing."""
    files = [("person", ("p.png", person)), *[("garment", ("g.png", garment))] * 2]
    async with start(workers=0, max_queued=2) as gateway:
        shop = await gateway.account(credits=2)
        answers = await asyncio.gather(
            *[shop.post("/v1/batches", files=files, headers=KEY) for _ in range(3)]
        )
        assert [answer.status_code for answer in answers] == [202] * 3
        assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_refused_request_leaves_its_key_free(start, form):
    """What had no credit can be sent again under its key."""
    async with start(workers=0) as gateway:
        shop = await gateway.account(credits=0)
        assert (await shop.post("/v1/jobs", files=form, headers=KEY)).status_code == 402
        await gateway.account(credits=1)
        assert (await shop.post("/v1/jobs", files=form, headers=KEY)).status_code == 202
