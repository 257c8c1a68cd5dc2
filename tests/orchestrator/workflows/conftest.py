"""Workflows over fake models."""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from vitrine_orchestrator.pipeline.request_context import PlainContext
from vitrine_orchestrator.workflows.kept import KeptNodes
from vitrine_orchestrator.workflows.pipeline import run_workflow

sys.path.insert(0, str(Path(__file__).parent))  # the module of the fakes

from workflow_models import Models


@pytest.fixture
def models(tmp_path):
    """The fakes."""
    return Models(tmp_path)


@pytest.fixture
def workflow(models, tmp_path):
    """Runs a graph: the files by name, and the report's nodes by id. Nodes' answers stay from run to run."""
    kept = KeptNodes(2**20)

    def run(graph, pictures=None, **more):
        inputs = {
            "graph": np.array([graph if isinstance(graph, bytes) else json.dumps(graph).encode()], np.object_)
        }
        if pictures:
            inputs["picture_name"] = np.array([name.encode() for name in pictures], np.object_)
            inputs["picture"] = np.array(list(pictures.values()), np.object_)
        context = PlainContext(more.pop("stages", models.stages), repository=tmp_path)
        outputs = asyncio.run(run_workflow(context, run.kept, inputs, **more))
        names = [name.decode() for name in outputs["file_name"]]
        run.report = json.loads(outputs["report"][0])
        nodes = {one["name"]: one for one in run.report["nodes"]}
        return dict(zip(names, outputs["file"], strict=True)), nodes

    run.kept = kept
    return run
