"""Requests of any shapes share a network's turn, two for each lane, and none is held or lost."""

import gc
import threading
import weakref
from contextlib import contextmanager

import pytest
from vitrine_orchestrator.cores.turn_lock import NoTurnLock
from vitrine_orchestrator.cores.turn_queue import TurnQueue

LONG_S = 10


class Turns:
    """A lock that is free only after `go`."""

    def __init__(self):
        self.go = threading.Event()

    @contextmanager
    def taken(self):
        self.go.wait(LONG_S)
        yield True


def counting(found):
    """A computation that notes the requests of each turn, and answers by noting them again."""

    def compute(requests):
        return lambda: found.append(list(requests))

    return compute


@pytest.mark.parametrize(
    ("count", "turns"),
    [
        (1, [[0]]),
        (2, [[0, 1]]),
        (3, [[0, 1], [2]]),
        (5, [[0, 1, 2, 3], [4]]),
    ],
)
def test_what_waits_for_the_turn_shares_it(count, turns):
    """In order, at most two for each of two lanes, and no lane waits for the other one's second request."""
    lock, found = Turns(), []
    waiting = TurnQueue(counting(found), lock, lanes=2)
    putting = threading.Thread(target=lambda: [waiting.put(number) for number in range(count)])
    putting.start()
    putting.join(0.2)
    lock.go.set()
    putting.join(LONG_S)
    waiting.close()
    assert found == turns


def test_putting_waits_while_there_is_enough():
    """Then Triton's own queue fills up, with its limits and priorities."""
    lock, found = Turns(), []
    waiting = TurnQueue(counting(found), lock, lanes=1)
    putting = threading.Thread(target=lambda: [waiting.put(number) for number in range(8)])
    putting.start()
    putting.join(0.3)
    assert putting.is_alive()
    lock.go.set()
    putting.join(LONG_S)
    waiting.close()
    assert [number for turn in found for number in turn] == list(range(8))


def test_an_answered_request_is_not_held():
    """Triton unloads a model when the last response sender is gone, however long the queue then waits."""

    class Request:
        pass

    answered = threading.Event()
    waiting = TurnQueue(lambda requests: answered.set, NoTurnLock(), lanes=2)
    request = Request()
    held = weakref.ref(request)
    waiting.put(request)
    del request
    assert answered.wait(LONG_S)
    waiting.close()
    gc.collect()
    assert held() is None
