"""Supervises a server in a thread of the same program."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vitrine_orchestrator.embedded.supervisor import SupervisedServer, Supervisor

CHECK_S = 0.5


@contextmanager
def watched(
    triton: SupervisedServer, report: Callable[[str], None], every_s: float = CHECK_S
) -> Iterator[Supervisor]:
    """Check the server in a thread for as long as the `with` block lasts; `report` as in Supervisor.

    A server that the supervisor started again ends with that thread, so at the end of the block.
    """
    supervisor, over = Supervisor(triton, report), threading.Event()

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
