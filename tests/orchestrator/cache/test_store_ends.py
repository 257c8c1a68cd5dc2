"""A process that has used the object store and ends."""

import atexit
import time

from vitrine_orchestrator.cache.objects import LAST_WORDS_S, wait_at_exit


def test_a_process_waits_once_at_its_end_for_the_stores_threads(monkeypatch):
    """However many stores it has opened. Without the wait, 2 of 60 short processes ended by SIGABRT."""
    registered = []
    monkeypatch.setattr(atexit, "register", lambda *call: registered.append(call))
    wait_at_exit.cache_clear()
    wait_at_exit()
    wait_at_exit()
    assert registered == [(time.sleep, LAST_WORDS_S)]
    monkeypatch.undo()
    wait_at_exit.cache_clear()  # so that this process waits too, if it opens a store later
