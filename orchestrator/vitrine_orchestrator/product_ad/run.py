"""What the parts of a request share while it runs: its stages, its nodes, and a limit of calls at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vitrine_orchestrator.pipeline.memo import Source
from vitrine_orchestrator.pipeline.request_context import read_report
from vitrine_orchestrator.product_ad.nodes import Node, NodeKind, Nodes
from vitrine_orchestrator.stages.calls import Timed
from vitrine_orchestrator.wire.arrays import Arrays

AT_ONCE = 4
"""Calls of one request at the same time, so that many products leave room in the queues for others."""


@dataclass(eq=False)
class Run:
    """One request under way."""

    stages: Timed
    nodes: Nodes
    sources: dict[str, Source] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)  # by stage, of those that have a checkpoint
    doubts: dict[str, list[Any]] = field(default_factory=dict)  # of cut-outs, by product
    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def call(self, kind: NodeKind, of: str, inputs: Arrays) -> tuple[dict[str, np.ndarray], Any]:
        """The outputs of a node's stage, and its report."""
        async with self.free:
            with self.nodes.running(kind, of):
                outputs = await self.stages(kind.stage, inputs)
        return outputs, self.reported(kind, outputs)

    def reported(self, kind: NodeKind, outputs: Arrays) -> dict[str, Any]:
        """The report in a stage's outputs, whose sources and versions are kept."""
        report = read_report(outputs)
        self.sources |= report.get("sources", {})
        if "versions" in report:
            self.versions[kind.stage] = report["versions"]
        return report

    def on_share(self, node: Node) -> Any:
        """What is told of a node's steps; None where nobody listens."""
        return None if self.nodes.tell is None else lambda share: self.nodes.advance(node, share)
