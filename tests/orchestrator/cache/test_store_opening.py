"""How the store tier opens its store, and what it makes of odd answers."""

import asyncio
import time

import pytest
from odd_store import search_slowly
from one_store import KEY, paths, put, store, value
from store_faults import ALWAYS, Times, no_answer, status
from vitrine.errors import Unavailable


@pytest.fixture
def slow_credentials(monkeypatch, tmp_path):
    """A search for credentials that takes five seconds."""
    search_slowly(monkeypatch, tmp_path)
    monkeypatch.setattr("vitrine_orchestrator.cache.store.GET_LIMIT_S", 0.3)


async def test_callers_share_one_opening_that_takes_no_thread_of_others(s3, slow_credentials, caplog):
    """A role's service that does not answer costs each of many callers one limit, and nothing else waits."""
    tier = store(s3, keys=None)
    started = time.monotonic()
    gets = [asyncio.create_task(tier.get(KEY)) for _ in range(40)]
    await asyncio.sleep(0.1)
    await asyncio.to_thread(int)  # the loop's threads are free
    assert time.monotonic() - started < 2.0  # behind the searches it would be five seconds
    assert {await get for get in gets} == {(None, None)}
    assert time.monotonic() - started < 4.0
    assert len([one for one in caplog.messages if one.endswith("no answer within 0.3 s")]) == 1
    assert s3.requests == []


async def test_a_limit_that_an_invalidation_exceeds_is_named(s3, monkeypatch):
    """A TimeoutError has no text."""
    monkeypatch.setattr("vitrine_orchestrator.cache.store.FORGET_LIMIT_S", 0.2)
    tier = store(s3)
    s3.fault = Times(ALWAYS, no_answer, "PUT")
    with pytest.raises(Unavailable, match=r"no answer within 0.2 s"):
        await tier.forget(KEY.owner)


async def test_a_forked_process_has_no_third_tier(s3, monkeypatch):
    """Where the parent had used a store, obstore would wait for ever."""
    monkeypatch.setattr("vitrine.store_calls._used_in", 1)
    tier = store(s3)
    assert await tier.get(KEY) == (None, None)
    assert tier.counters["denied"] == 1


@pytest.mark.parametrize("form", ["W/{}", "unquoted"])
async def test_a_put_may_be_answered_with_another_form_of_the_tag(s3, form):
    """Some stores and proxies write one tag in two forms; reads compare the plain one."""

    async def other_form(request, response, writer):
        tag = response.headers["ETag"]
        response.headers["ETag"] = form.format(tag) if "{" in form else tag.strip('"')

    s3.fault = Times(ALWAYS, other_form, "PUT")
    assert await put(store(s3), b"x")
    assert await value(store(s3)) == b"x"


async def test_a_store_without_if_match_is_read(s3):
    """Its parts are compared by their digests alone."""

    async def unknown(request, response, writer):
        if "if-match" in request.headers:
            await status(501, "NotImplemented")(request, response, writer)

    s3.fault = Times(ALWAYS, unknown)
    assert await put(store(s3), b"x")
    assert await value(store(s3)) == b"x"


async def test_an_emptied_generation_brings_no_old_value_back(s3):
    """It is another generation than none."""
    await put(store(s3), b"old")
    objects = dict(s3.objects)
    await store(s3).forget(KEY.owner)
    s3.objects = objects | s3.objects  # deletes that came too late
    (generation,) = paths(s3, "generation")
    s3.objects[generation] = b""
    assert await value(store(s3)) is None


async def test_a_web_page_in_the_stores_place_is_logged_once(s3, caplog):
    """A console answers 200 to everything; each of its pages is counted as corrupt."""

    async def page(request, response, writer):
        response.status, response.body = 200, b"<!doctype html><html><body>console</body></html>"

    tier = store(s3)
    s3.fault = Times(ALWAYS, page)
    for _ in range(2):
        assert await value(tier) is None
    assert tier.counters["corrupt"] == 2
    assert len([one for one in caplog.messages if "no entry where one should be" in one]) == 1
