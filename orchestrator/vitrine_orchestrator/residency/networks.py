"""The owner's side of processes that can rest (resting.py): which there are, and telling them to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from vitrine_orchestrator.residency.policy import Residency

REST_S = 5.0  # a process that has not rested after this long is no longer asked to

logger = logging.getLogger(__name__)


class Networks:
    """The connections of processes that can rest, by model."""

    def __init__(self, residency: Residency, send: Callable[[int, dict[str, Any]], None]) -> None:
        """send: a message to a connection."""
        self._residency, self._send = residency, send
        self._pipes: dict[str, int] = {}
        self._answers: dict[str, asyncio.Future[int]] = {}

    def hear(self, pipe: int, said: Mapping[str, Any], names: Mapping[str, str]) -> None:
        """Note what a process says; `names`: models, and the names by which Triton knows them."""
        if "network" in said:
            for name in (name for name, known_as in names.items() if known_as == said["network"]):
                self._pipes[name] = pipe
                self._residency.can_rest(name, said["takes"])
            return
        for name in self._of(pipe):
            if (answer := self._answers.get(name)) and not answer.done():
                answer.set_result(said["rested"])

    def left(self, pipe: int) -> None:
        """A connection has ended, of a network or of a pipeline."""
        for name in self._of(pipe):
            del self._pipes[name]
            self._residency.can_rest(name, None)

    async def rest(self, name: str) -> None:
        """Have a model's process give back what it does not use."""
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        self._send(self._pipes.get(name, 0), {"rest": True})
        try:
            self._residency.rested(name, await asyncio.wait_for(answer, REST_S))
        except TimeoutError:
            logger.warning("the process of %s does not rest", name)
            self._residency.can_rest(name, None)
        finally:
            del self._answers[name]

    def _of(self, pipe: int) -> list[str]:
        """The model of a connection, if it is a network's."""
        return [name for name, known in self._pipes.items() if known == pipe]
