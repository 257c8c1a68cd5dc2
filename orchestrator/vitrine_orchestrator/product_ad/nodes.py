"""The nodes of a request, one for each call of a stage: their times, states, and common progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

Status = Literal["running", "done", "failed"]


@dataclass(frozen=True)
class NodeKind:
    """One kind of node: the stage that it calls, and how much of the progress it is."""

    stage: str
    weight: int


PROMPT = NodeKind("prepare_ad_prompt", 1)
CUT_OUT = NodeKind("cut_out", 3)
SCENE = NodeKind("text_to_image", 20)
COMPOSE = NodeKind("compose", 2)
HARMONISE = NodeKind("image_to_image", 6)
TEXT = NodeKind("text_overlay", 2)


@dataclass(eq=False)
class Node:
    """One node: a kind, and what it works on."""

    kind: NodeKind
    of: str  # such as "product 0" or "1:1"
    started: float
    share: float = 0.0  # of its work that is done
    seconds: float = 0.0
    status: Status = "running"

    def told(self) -> dict[str, object]:
        """The node in a report."""
        return {
            "name": f"{self.kind.stage} {self.of}".strip(),
            "stage": self.kind.stage,
            "time": round(self.seconds, 6),
            "status": self.status,
        }


@dataclass(frozen=True)
class Step:
    """The progress of a request at one moment."""

    step: int  # of `steps`, weights of nodes
    steps: int
    elapsed_s: float
    left_s: float | None  # estimated from the pace so far
    stage: str  # of the node that has just moved on
    status: Status


Tell = Callable[[Step], None]


class Nodes:
    """Measures nodes and tells their progress."""

    def __init__(
        self, planned: int, tell: Tell | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`planned` is the sum of the weights of all nodes that will run."""
        self.planned, self.tell, self.clock = planned, tell, clock
        self.start = clock()
        self.all: list[Node] = []

    @contextmanager
    def running(self, kind: NodeKind, of: str = "") -> Iterator[Node]:
        """A node that runs as long as the block."""
        node = Node(kind, of, self.clock())
        self.all.append(node)
        self._tell(node)
        try:
            yield node
            node.share, node.status = 1.0, "done"
        except BaseException:
            node.status = "failed"
            raise
        finally:
            node.seconds = self.clock() - node.started
            self._tell(node)

    def advance(self, node: Node, share: float) -> None:
        """Tell that this share of a running node's work is done."""
        node.share = max(node.share, min(share, 1.0))
        self._tell(node)

    def told(self) -> dict[str, object]:
        """The nodes in a report: the seconds of all together, and each one's own."""
        seconds = round(self.clock() - self.start, 6)
        return {"total_time": seconds, "nodes": [node.told() for node in self.all]}

    def _tell(self, node: Node) -> None:
        if self.tell is None:
            return
        done = sum(one.kind.weight * one.share for one in self.all)
        elapsed_s = self.clock() - self.start
        left_s = elapsed_s / done * (self.planned - done) if done else None
        self.tell(Step(int(done), self.planned, elapsed_s, left_s, node.kind.stage, node.status))
