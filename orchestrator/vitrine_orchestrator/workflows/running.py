"""Runs a checked graph: independent nodes at the same time, known answers taken from what is kept."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from vitrine.errors import BadRequest, Busy, VitrineError
from vitrine.retry import Retry

from vitrine_orchestrator.pipeline.denoising import together
from vitrine_orchestrator.workflows.graph import Graph, Link, Node
from vitrine_orchestrator.workflows.kept import KeptNodes
from vitrine_orchestrator.workflows.node_classes import NodeAnswer, NodeContext
from vitrine_orchestrator.workflows.values import Given, Image, Value, key_of, size_of, told

AT_ONCE = 4  # nodes of one workflow that run at the same time: more would only wait in the models' queues
MAX_LIVE = 512 * 2**20  # bytes of values that later nodes of a workflow still need
MOST_TOLD = 2000  # characters of a text in the report
WAITS_S = 60.0  # how long a node whose model is busy is tried again, at most

logger = logging.getLogger(__name__)

Status = Literal["waiting", "running", "done", "reused", "failed", "not run"]
DigestsOf = Callable[[str], tuple[str, ...]]
"""The pipeline digests of a model's newest release, one for each family; empty where there is none."""


@dataclass
class NodeState:
    """How far a node is."""

    node: Node
    status: Status = "waiting"
    time: float = 0.0  # seconds of its own work
    values: dict[str, object] = field(default_factory=dict)  # its outputs that are no pictures
    error: VitrineError | None = None

    def told(self) -> dict[str, object]:
        """The report's entry."""
        entry: dict[str, object] = {
            "name": self.node.id,
            "class_type": self.node.kind.name,
            "time": round(self.time, 6),
            "status": self.status,
        }
        if self.values:
            entry["values"] = self.values
        if self.error:
            entry["error"] = {"word": self.error.word, "message": str(self.error)}
        return entry


Follow = Callable[[NodeState, int, int], None]
"""Is told of every node that begins or ends, of the number of those that have ended, and of all."""


class Run:
    """One run of a graph. `states` and `files` hold what came of it."""

    def __init__(
        self, graph: Graph, context: NodeContext, kept: KeptNodes, digests_of: DigestsOf, follow: Follow
    ) -> None:
        self.graph, self.context, self.kept = graph, context, kept
        self.digests_of, self.follow = digests_of, follow
        self.states = {identifier: NodeState(node) for identifier, node in graph.items()}
        self.files: dict[str, bytes] = {}
        self._ended = {identifier: asyncio.Event() for identifier in graph}
        self._values: dict[str, tuple[Value, ...]] = {}
        self._needed = Counter(feeder for node in graph.values() for feeder in _feeders(node))
        self._places = asyncio.Semaphore(AT_ONCE)

    async def __call__(self) -> None:
        """Run every node. A failed one fails nobody but those that need it; a cancellation reaches all."""
        await together(self._end(node) for node in self.graph.values())

    async def _end(self, node: Node) -> None:
        """Wait for the node's feeders, run it, and say that it has ended."""
        for feeder in _feeders(node):
            await self._ended[feeder].wait()
        if all(feeder in self._values for feeder in _feeders(node)):
            await self._run(self.states[node.id])
        else:
            self.states[node.id].status = "not run"
        for feeder in _feeders(node):
            self._needed[feeder] -= 1
            if not self._needed[feeder]:
                self._values[feeder] = ()  # nobody needs its pictures any more
        self._ended[node.id].set()
        self._tell(self.states[node.id])

    async def _run(self, state: NodeState) -> None:
        node, given = state.node, self._given(state.node)
        key, digests = self._key(node, given)
        values = self.kept.get(key) if key else None
        state.status = "reused"
        if values is None:
            async with self._places:
                values = await self._work(state, given, key, digests)
        if values is not None:
            self._take(state, values)

    async def _work(
        self, state: NodeState, given: Mapping[str, Given], key: str | None, digests: tuple[str, ...]
    ) -> tuple[Value, ...] | None:
        """Do the node's work and keep its answer; None where it failed."""
        state.status, start = "running", time.monotonic()
        self._tell(state)
        try:
            state.node.check_linked(given)
            answer = await self._tried(state.node, given)
        except VitrineError as error:
            state.status, state.error = "failed", error.with_traceback(None)
            return None
        except Exception:  # the other nodes of the graph go on
            logger.exception("a node of the class %s failed", state.node.kind.name)
            state.status, state.error = "failed", VitrineError("internal error; the server's log says more")
            return None
        finally:
            state.time = time.monotonic() - start
        state.status = "done"
        self.files |= answer.files
        # During a deployment the files may be newer than what answered: such an answer is not kept.
        if key and (answer.pipeline_digest is None or answer.pipeline_digest in digests):
            self.kept.put(key, answer.values)
        return answer.values

    def _tell(self, state: NodeState) -> None:
        self.follow(state, sum(one.is_set() for one in self._ended.values()), len(self._ended))

    async def _tried(self, node: Node, given: Mapping[str, Given]) -> NodeAnswer:
        """The node's answer; while its model is busy, tried again a few times."""
        tried, retry, until = 0, Retry(), time.monotonic() + WAITS_S
        while True:
            try:
                return await node.kind.run(self.context, given)
            except Busy as error:
                tried += 1
                pause_s = retry.pause_s(tried, error, until - time.monotonic())
                if pause_s is None:
                    raise
                await asyncio.sleep(pause_s)

    def _take(self, state: NodeState, values: tuple[Value, ...]) -> None:
        """Make the values available to later nodes; the node fails where they are too many bytes."""
        live = sum(size_of(one) for one in self._values.values()) + size_of(values)
        if live > MAX_LIVE:
            state.status = "failed"
            state.error = BadRequest(f"a workflow must hold at most {MAX_LIVE} bytes at a time, got {live}")
            return
        outputs = state.node.kind.outputs
        named = {row.name: one for row, one in zip(outputs, values, strict=True)}
        state.values = {name: _short(one) for name, one in named.items() if not isinstance(one, Image)}
        self._values[state.node.id] = values if self._needed[state.node.id] else ()

    def _given(self, node: Node) -> dict[str, Given]:
        """The node's inputs: its own values, and those of its feeders."""
        found: dict[str, Given] = dict(node.literals)
        for name, links in node.links.items():
            if isinstance(links, Link):
                found[name] = self._at(links)
            else:
                found[name] = [self._at(link) for link in links]
        return found

    def _at(self, link: Link) -> Value:
        return self._values[link.node][link.output]

    def _key(self, node: Node, given: Mapping[str, Given]) -> tuple[str | None, tuple[str, ...]]:
        """The key of the node's answer and the releases in it; no key where the answer is not kept."""
        digests = [self.digests_of(model) for model in node.kind.models]
        if not node.kind.may_keep(given) or not all(digests):
            return None, ()
        inputs = {name: told(value) for name, value in given.items()}
        return key_of(node.kind.name, inputs, digests), tuple(one for some in digests for one in some)


def _feeders(node: Node) -> tuple[str, ...]:
    """The ids of the nodes that feed a node, each once."""
    return tuple(dict.fromkeys(link.node for link in node.feeds))


def _short(value: Value) -> object:
    return value[:MOST_TOLD] if isinstance(value, str) else value
