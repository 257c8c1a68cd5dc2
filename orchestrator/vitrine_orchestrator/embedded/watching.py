"""A server under a supervisor, next to other work in the same program."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vitrine_orchestrator.embedded.supervisor import Served, Supervisor

CHECK_S = 0.5


@contextmanager
def watched(triton: Served, tell: Callable[[str], None], every_s: float = CHECK_S) -> Iterator[Supervisor]:
    """Check the server in a thread for as long as the `with` block lasts; `tell` as in Supervisor.

    A server that had to be started again belongs to that thread, and ends with the block.
    """
    supervisor, over = Supervisor(triton, tell), threading.Event()

    def watch() -> None:
        while not over.wait(every_s):
            supervisor.check()

    thread = threading.Thread(target=watch, name="supervisor")
    thread.start()
    try:
        yield supervisor
    finally:
        over.set()
        thread.join()
