"""`try_on_many`: how its try-ons are shared among threads."""

import threading

import numpy as np
import pytest
from vitrine import FakeTransport, Vitrine, call_headers
from vitrine.headers import present_headers

PICTURE = np.full((20, 20, 3), 200, np.uint8)


class Watched(FakeTransport):
    """Keeps the headers of every call."""

    def __init__(self):
        super().__init__()
        self.headers = []

    def infer(self, model, inputs, **options):
        self.headers.append(dict(present_headers()))
        return super().infer(model, inputs, **options)


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_try_on_is_begun_that_the_caller_is_far_from(at_once):
    """A loop that stops early, and keeps its iterator, leaves at most `at_once` more to finish."""
    fake = Watched()
    many = Vitrine(transport=fake).try_on_many(person=PICTURE, garments=[PICTURE] * 30, at_once=at_once)
    next(many)
    for thread in threading.enumerate():
        if thread.name.startswith("vitrine-try-on"):
            thread.join(0.2)
    assert len(fake.calls) <= 2 * at_once


def test_headers_of_a_block_travel_with_its_many_try_ons():
    """The threads of try_on_many belong to the block that began it."""
    fake = Watched()
    with call_headers({"traceparent": "00-a"}):
        list(Vitrine(transport=fake).try_on_many(person=PICTURE, garments=[PICTURE] * 3))
    assert fake.headers == [{"traceparent": "00-a"}] * 3
