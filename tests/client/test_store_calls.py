"""A store that never answers costs its callers one time limit, and a forked process does not hang."""

import asyncio
import multiprocessing
import os
import threading
import time

import numpy as np
import pytest
from odd_store import KEYS, search_slowly, silent
from vitrine import AsyncFakeTransport, AsyncVitrine, FakeTransport, Shelf, Unavailable, Vitrine, open_store
from vitrine.results import AsyncResults, Results
from vitrine.store_calls import NoAnswer, StoreCalls

PICTURE = np.full((20, 16, 3), 200, np.uint8)
ASKED = {"user": "ada", "person": PICTURE, "garment": PICTURE}
FAST = 0.2


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self):
        return self.now


def test_a_call_without_an_answer_ends_at_its_limit():
    """The error names the limit; the next callers fail at once, until the pause is over."""
    clock, held = Clock(), threading.Event()
    calls = StoreCalls(FAST, 10.0, clock)
    with pytest.raises(NoAnswer, match=r"no answer within 0.2 s"):
        calls.run(held.wait)
    with pytest.raises(NoAnswer, match="left alone for 10 s"):
        calls.run(lambda: 1)
    clock.now = 10.0
    assert calls.run(lambda: 1) == 1
    held.set()


def test_an_error_of_a_call_is_its_own():
    """A TimeoutError of the call itself is no missing answer, and starts no pause."""
    calls = StoreCalls(FAST)

    def fail():
        raise TimeoutError("of the call")

    for _ in range(2):
        with pytest.raises(TimeoutError, match="of the call"):
            calls.run(fail)


def test_each_call_of_a_shelf_has_the_limit():
    """Reading, writing, listing, hiding and purging end in time."""
    with silent() as endpoint:
        store = open_store("s3://b", endpoint=endpoint, **KEYS)
        for act in (
            lambda shelf: shelf.find(user="ada", key="0" * 64),
            lambda shelf: shelf.keep(user="ada", key="0" * 64, encoded=b"", story={}),
            lambda shelf: shelf.entries(user="ada"),
            lambda shelf: shelf.hide(user="ada", key="0" * 64),
            lambda shelf: shelf.purge(user="ada"),
        ):
            with pytest.raises(NoAnswer, match=r"the result store cannot \w+ vto/ada.*: no answer within"):
                act(Shelf(store, StoreCalls(FAST)))


def test_storing_is_not_tried_after_a_lookup_without_an_answer():
    """The picture comes after one limit, not two, although the pause is over by then."""
    tried = []

    class Silent:
        def get(self, path):
            tried.append("get")
            time.sleep(2 * FAST)

        def put(self, *_, **__):
            tried.append("put")

    shelf = Shelf(Silent(), StoreCalls(FAST, 0.0))
    kept = Results(Vitrine(transport=FakeTransport()), shelf).try_on(**ASKED)
    assert kept.encoded
    assert "no answer within" in str(kept.trouble)
    assert tried == ["get"]


def test_many_callers_wait_for_one_limit_only():
    """Requests of one loop do not queue behind each other for threads."""

    async def all_of_them(shelf):
        results = AsyncResults(AsyncVitrine(transport=AsyncFakeTransport(FakeTransport())), shelf)
        started = time.monotonic()
        kept = await asyncio.gather(*(results.try_on(**ASKED, seed=seed) for seed in range(20)))
        return time.monotonic() - started, kept

    with silent() as endpoint:
        shelf = Shelf(open_store("s3://b", endpoint=endpoint, **KEYS), StoreCalls(1.0))
        took_s, kept = asyncio.run(all_of_them(shelf))
    assert all(isinstance(one.trouble, NoAnswer) for one in kept)
    assert took_s < 5.0  # in turn it would be 20 s


def test_the_search_for_credentials_is_within_the_limit(monkeypatch, tmp_path):
    """A role's service that does not answer costs the picture one limit."""
    search_slowly(monkeypatch, tmp_path)
    started = time.monotonic()
    store = open_store("s3://b", endpoint="http://127.0.0.1:9", region="us-east-1")
    with pytest.raises(NoAnswer):
        Shelf(store, StoreCalls(FAST)).find(user="ada", key="0" * 64)
    assert time.monotonic() - started < 4.0


def _work(results, answers):
    answers.put(str(results.try_on(**ASKED, seed=2).trouble))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_gets_its_picture(bucket):
    """In a child forked after the first call obstore would wait for ever: the child gets the reason."""
    results = Results(Vitrine(transport=FakeTransport()), bucket[2])
    assert results.try_on(**ASKED, seed=1).trouble is None
    forked = multiprocessing.get_context("fork")
    answers = forked.SimpleQueue()
    child = forked.Process(target=_work, args=(results, answers))
    child.start()
    child.join(20)
    assert child.exitcode == 0, child.kill()
    assert "open the client after the fork" in answers.get()


def test_a_process_that_used_no_store_before_its_fork_uses_its_own(monkeypatch):
    """Only the process of the first call may call a store."""
    monkeypatch.setattr("vitrine.store_calls._used_in", None)
    calls = StoreCalls()
    assert calls.run(lambda: 1) == 1
    monkeypatch.setattr("vitrine.store_calls._used_in", os.getpid() + 1)
    with pytest.raises(Unavailable, match="was forked"):
        calls.run(lambda: 1)
