"""The object store tier under a store's faults: rows 9 to 14 of docs/cache.md."""

import time

import pytest
from one_store import KEY, Clock, paths, put, store, value
from store_faults import ALWAYS, Times, cut, drip, flip, no_answer, reset, shorten, stall, status
from vitrine_orchestrator.cache.key import Key, owner
from vitrine_orchestrator.cache.objects import PART_BYTES, ObjectsFault, Patience
from vitrine_orchestrator.cache.store import MISS_TTL_S, NO_LIST_PERMISSION, QUARANTINE_S

QUICK = Patience(connect_s=0.5, request_s=0.4, retries=2, retry_s=2.0)


SOON_OVER = {
    "503 twice": Times(2, status(503, "SlowDown"), path="value"),
    "500 once": Times(1, status(500, "InternalError"), path="manifest"),
    "429 once": Times(1, status(429, "TooManyRequests"), path="value"),
    "reset once": Times(1, reset, path="value"),
    "cut once": Times(1, cut, path="value"),
    "stall once": Times(1, stall, path="value"),
    "no answer once": Times(1, no_answer, path="value"),
    "damaged once": Times(1, flip, path="value"),
    "short once": Times(1, shorten, path="value"),
    "replaced once": Times(1, status(412, "PreconditionFailed"), path="value"),
}


@pytest.mark.parametrize("name", SOON_OVER)
async def test_a_fault_that_passes_costs_only_time(s3, name):
    """A retry, a resumed body or a second fetch gets the right value; damage is counted."""
    await put(store(s3), b"x" * 3000)
    tier, fault = store(s3, patience=QUICK), SOON_OVER[name]
    fault.seen, s3.fault = 0, fault
    assert await value(tier) == b"x" * 3000
    assert fault.seen > fault.count
    assert tier.counters["corrupt"] == (name in ("damaged once", "short once", "replaced once"))


LASTING = {
    "503": status(503, "SlowDown"),
    "500": status(500, "InternalError"),
    "429": status(429, "TooManyRequests"),
    "reset": reset,
    "cut": cut,
    "stall": stall,
    "no answer": no_answer,
    "drip": drip,
}


@pytest.mark.parametrize("name", LASTING)
async def test_a_fault_that_lasts_is_a_miss_within_the_deadline(s3, name, monkeypatch):
    """It is a miss in bounded time, counted as unavailable, after which no put is wanted."""
    monkeypatch.setattr("vitrine_orchestrator.cache.store.GET_LIMIT_S", 2.5)
    await put(store(s3), b"x" * 3000)
    tier = store(s3, patience=QUICK)
    s3.fault = Times(ALWAYS, LASTING[name])
    began = time.monotonic()
    assert await tier.get(KEY) == (None, None)
    assert time.monotonic() - began < 30  # 2.5 s, on a loaded machine
    assert tier.counters["l3_unavailable"] == 1


async def test_a_store_that_fails_is_left_alone_for_a_while(s3):
    """After three failures no request is sent; after a pause one is, and its success ends the pause."""
    clock = Clock()
    await put(store(s3), b"x")
    tier = store(s3, clock, patience=Patience(retries=0))
    s3.fault = Times(ALWAYS, status(503, "SlowDown"))
    for _ in range(3):
        await tier.get(KEY)
    s3.requests.clear()
    assert await tier.get(KEY) == (None, None)
    assert not await tier.put(KEY, b"y", b"lease")
    assert s3.requests == []
    clock.now += 1.0
    assert await tier.get(KEY) == (None, None)
    assert s3.requests
    s3.fault = None
    clock.now += 2.0
    assert await value(tier) == b"x"
    assert await value(tier) == b"x"


@pytest.mark.parametrize("damage", [flip, shorten])
async def test_a_value_that_stays_damaged_is_a_miss_and_quarantined(s3, damage):
    """It is fetched twice, never returned, and not fetched again for a minute or until the next put."""
    clock = Clock()
    await put(store(s3), b"x" * 100)
    tier = store(s3, clock)
    s3.fault = Times(ALWAYS, damage, path="value")
    got = await tier.get(KEY)
    assert got.value is None
    assert got.lease is not None
    assert tier.counters["corrupt"] == 2
    s3.requests.clear()
    assert await value(tier) is None
    assert not [request for request in s3.requests if "value" in request.path]
    s3.fault = None
    clock.now += QUARANTINE_S
    assert await value(tier) == b"x" * 100
    assert await put(tier, b"mended")
    assert await value(tier) == b"mended"


async def test_another_keys_objects_under_a_key_are_a_miss(s3):
    """A copied manifest names another key, and swapped objects have other digests."""
    tier, other = store(s3), Key("upper_body", owner("person", "bob"), "recipe")
    await put(tier, b"alice's")
    await put(tier, b"bob's")
    await put(tier, b"bob's", other)
    for path in paths(s3, "bob"):
        s3.objects[path.replace("bob", "alice")] = s3.objects[path]
    assert await value(store(s3)) is None
    mine = [path for path in paths(s3, "alice") if "value" in path]
    for path in mine:
        s3.objects[path] = b"mallory"
    assert await value(store(s3)) is None


async def test_parts_of_two_versions_are_never_joined(s3):
    """If-Match refuses an object replaced between two ranges, and the whole fetch restarts."""
    first, second = b"a" * (PART_BYTES + 10), b"b" * (PART_BYTES + 10)
    await put(store(s3), first)
    path, answer = paths(s3, "value")[0], s3.answer

    def replaced_after_one_range(request):
        response = answer(request)
        if request.path == path:
            s3.objects[path] = second
        return response

    s3.answer = replaced_after_one_range
    tier = store(s3)
    assert await value(tier) is None
    assert tier.counters["corrupt"] == 2


async def test_a_refused_object_is_not_a_missing_one(s3):
    """A 403 renews the credentials once, then counts as denied, not as a miss."""
    await put(store(s3), b"x")
    tier, renewed = store(s3), []
    tier.objects.renew_credentials = lambda: renewed.append(1)
    s3.fault = Times(ALWAYS, status(403, "InvalidAccessKeyId"))
    assert await tier.get(KEY) == (None, None)
    assert (tier.counters["denied"], len(renewed)) == (1, 1)
    s3.fault = None
    assert await value(tier) == b"x"


@pytest.mark.parametrize("fault", [status(403, "InvalidAccessKeyId"), status(400, "ExpiredToken")])
async def test_expired_credentials_are_renewed(s3, fault):
    """After one refusal the next try uses new credentials and succeeds."""
    await put(store(s3), b"x")
    tier = store(s3)
    s3.fault = Times(1, fault, path="manifest")
    assert await value(tier) == b"x"
    assert tier.counters["denied"] == 0


async def test_without_credentials_there_is_no_third_tier(s3, monkeypatch, tmp_path):
    """Gets are misses and counted as denied; nothing raises, at the start or later."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    tier = store(s3, keys=None)
    assert await tier.get(KEY) == (None, None)
    assert tier.counters["denied"] == 1
    assert s3.requests == []


async def test_credentials_are_found_as_boto3_finds_them(s3, monkeypatch, tmp_path):
    """The shared credentials file is read, profile included."""
    keys = "aws_access_key_id=found\naws_secret_access_key=secret\n"
    (tmp_path / "credentials").write_text(f"[wardrobe]\n{keys}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "wardrobe")
    assert await put(store(s3, keys=None), b"x")
    assert all("Credential=found/" in request.headers["authorization"] for request in s3.requests)


async def test_a_miss_is_remembered_for_two_seconds_and_cleared_by_a_put(s3):
    """Misses in a row send one request, and a put value is found immediately."""
    clock = Clock()
    tier = store(s3, clock)
    assert [await value(tier) for _ in range(5)] == [None] * 5
    assert len(s3.requests) == 3  # the manifest and two generations
    other = store(s3)
    await put(other, b"x")
    assert await value(tier) is None
    clock.now += MISS_TTL_S
    assert await value(tier) == b"x"
    await tier.forget(KEY.owner)
    assert await value(tier) is None
    await put(tier, b"y")
    assert await value(tier) == b"y"


async def test_access_denied_for_what_is_not_there_is_read_as_not_there(s3, caplog):
    """Without s3:ListBucket a 403 means not there; values are kept, and one line is logged."""

    async def denied_where_missing(request, response, writer):
        if response.status == 404 or "list-type" in request.query:
            await status(403, "AccessDenied")(request, response, writer)

    s3.fault = denied_where_missing
    tier = store(s3)
    assert await put(tier, b"x")
    assert await value(tier) == b"x"
    assert await value(tier, Key("upper_body", owner("person", "bob"), "recipe")) is None
    await tier.forget(KEY.owner)
    tier.clock.now += 60
    assert await value(tier) is None
    assert tier.counters["denied"] > 0
    assert tier.counters["l3_unavailable"] == 0
    assert [one.getMessage() for one in caplog.records].count(NO_LIST_PERMISSION) == 1


async def test_a_panic_of_the_library_is_a_miss(s3, monkeypatch):
    """A panic of obstore, which is no Exception, is a miss and fails no caller."""

    class PanicException(BaseException):
        """A panic under the name that pyo3 gives it."""

    async def panics(*_, **__):
        raise PanicException("called `Result::unwrap()` on an `Err` value")

    tier = store(s3)
    monkeypatch.setattr("obstore.get_async", panics)
    assert await tier.get(KEY) == (None, None)
    assert tier.counters["l3_unavailable"] == 1


async def test_a_listing_passes_over_keys_that_cannot_be_named(s3):
    """Keys such as `a//b` and `a/./b` are skipped; the rest is listed, and forgetting continues."""
    tier = store(s3)
    await put(tier, b"x")
    for odd in ("cache/v1/person/alice//b", "cache/v1/person/alice/./b", "cache/v1/person/alice/"):
        s3.objects[odd] = b"odd"
    assert [one.path async for one in tier.objects.list("v1/person/alice")]
    await tier.forget(KEY.owner)
    assert not paths(s3, "manifest")


async def test_a_bucket_elsewhere_says_where(s3):
    """The error of a redirect without an address names the bucket's region."""

    async def moved(request, response, writer):
        response.status, response.body = 301, b""
        response.headers = {"x-amz-bucket-region": "eu-central-1"}

    s3.fault = moved
    with pytest.raises(ObjectsFault, match="it is in eu-central-1"):
        await store(s3).objects.get("x")
