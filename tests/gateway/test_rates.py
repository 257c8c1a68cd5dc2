"""Rate limits: buckets of an account, the headers that tell of them, and what all processes share."""

import pytest
from vitrine_gateway.accounts.rates import Limits, Rate
from vitrine_gateway.errors import BadSettings, RateLimited
from vitrine_gateway.settings import Settings

JOB = {"pipeline": "text_to_image", "inputs": {"prompt": "x"}}


def test_a_bucket_refills_with_time():
    """Two calls at once, then one for each half of the window."""
    now = 1000.0
    limits = Limits(Settings.of(rate_calls="2/10", rate_jobs=""), lambda: now)
    limits.count_call("a")
    limits.count_call("a")
    with pytest.raises(RateLimited, match="2 calls in 10 s") as caught:
        limits.count_call("a")
    assert caught.value.retry_after_s == 5
    limits.count_call("b")  # another account has a bucket of its own
    now += 5.0
    limits.count_call("a")
    with pytest.raises(RateLimited):
        limits.count_call("a")


def test_a_setting_is_checked():
    """N/S, or empty for no limit."""
    assert Rate.read("calls", Settings.of(rate_calls="").rate_calls) is None
    for text in ("10", "0/60", "10/0", "a/b"):
        with pytest.raises(BadSettings, match="GATEWAY_RATE_CALLS"):
            Settings.of(rate_calls=text)


async def test_too_many_calls_are_refused_and_told(start):
    """Every answer tells the quota and what is left; the third call is a problem with Retry-After."""
    async with start(rate_calls="2/1000") as gateway:
        shop = await gateway.account()
        first = await shop.get("/v1/credits")
        assert first.headers["ratelimit-policy"] == '"calls";q=2;w=1000'
        assert first.headers["ratelimit"] == '"calls";r=1;t=500'
        assert (await shop.get("/v1/credits")).status_code == 200
        refused = await shop.get("/v1/credits")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert 490 < int(refused.headers["retry-after"]) <= 500
        assert refused.headers["ratelimit"].startswith('"calls";r=0;')
        other = await gateway.account("other")
        assert (await other.get("/v1/credits")).status_code == 200
        assert "ratelimit" not in (await gateway.client().get("/healthz")).headers


@pytest.mark.databases
async def test_jobs_are_counted_for_all_processes(start):
    """What one process takes is missing for another one; a refused job is not kept and not charged."""
    async with start(rate_jobs="2/1000", workers=0) as one, start(rate_jobs="2/1000", workers=0) as two:
        shop = await one.account()
        same = two.client(dict(shop.headers))
        first = await shop.post("/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
        assert first.status_code == 202
        assert '"jobs";q=2;w=1000' in first.headers["ratelimit-policy"]
        assert (await same.post("/v1/jobs", json=JOB)).status_code == 202
        for client in (shop, same):
            refused = await client.post("/v1/jobs", json=JOB)
            assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
            assert int(refused.headers["retry-after"]) > 400
        again = await same.post("/v1/jobs", json=JOB, headers={"Idempotency-Key": "k"})
        assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
        assert len((await shop.get("/v1/jobs")).json()["data"]) == 2
        assert (await shop.get("/v1/credits")).json()["credits"] == 98
