"""The pipeline `run_workflow`: from a graph and pictures to the files that its nodes save, and a report."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Mapping

import numpy as np

from vitrine_orchestrator.pipeline.progress import Send, event_array
from vitrine_orchestrator.pipeline.request_context import PlainContext, text_array
from vitrine_orchestrator.wire.fields import Inputs
from vitrine_orchestrator.workflows.kept import KeptNodes
from vitrine_orchestrator.workflows.node_classes import NodeClass, NodeContext
from vitrine_orchestrator.workflows.releases import digests_of
from vitrine_orchestrator.workflows.request import workflow_request
from vitrine_orchestrator.workflows.running import Follow, NodeState, Run
from vitrine_orchestrator.workflows.table import CLASSES

Outputs = dict[str, np.ndarray]


def follow_nothing(state: NodeState, ended: int, nodes: int) -> None:
    """Report no progress."""


async def run_workflow(
    context: PlainContext,
    kept: KeptNodes,
    inputs: Inputs,
    follow: Follow = follow_nothing,
    classes: Mapping[str, NodeClass] = CLASSES,
) -> Outputs:
    """The outputs of the model `run_workflow`; BadRequest says what is wrong with the graph or the pictures.

    A node that fails is no error of the request: the report names it, and those that were not run for it.
    """
    start = time.monotonic()
    request = await asyncio.to_thread(workflow_request, inputs, context.limits, classes)
    run = Run(
        request.graph,
        NodeContext(context.stages, context.limits, request.pictures),
        kept,
        lambda model: digests_of(context.repository, model),
        follow,
    )
    await run()
    files = sorted(run.files.items())
    report = {
        "total_time": round(time.monotonic() - start, 6),
        "nodes": [state.told() for state in run.states.values()],
    }
    return {
        "file_name": np.array([name.encode() for name, _ in files], np.object_),
        "file": np.array([b64encode(one) if request.as_text else one for _, one in files], np.object_),
        "report": text_array(json.dumps(report, ensure_ascii=False)),
    }


async def workflow_stream(context: PlainContext, kept: KeptNodes, inputs: Inputs, send: Send) -> Outputs:
    """Send an event when a node begins or ends; return the last response: the outputs and its event."""
    start = time.monotonic()

    def follow(state: NodeState, ended: int, nodes: int) -> None:
        event = event_array(
            "progress",
            step=ended,
            steps=nodes,
            elapsed_s=round(time.monotonic() - start, 3),
            left_s=None,
            stage=state.node.kind.name,
            node=state.told(),
        )
        send({"event": event})

    return {"event": event_array("result"), **await run_workflow(context, kept, inputs, follow)}
