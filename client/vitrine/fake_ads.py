"""The fake's answers of the models that make advertisements; see vitrine.fake."""

from __future__ import annotations

import json

import numpy as np

from vitrine.errors import BadRequest
from vitrine.inputs import Tensors, byte_tensor


def ad_prompt(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with the sentence itself."""
    report: dict[str, object] = {
        "timings": {},
        "sources": {},
        "trade": "shop",
        "way": "tables",
        "fallback": None,
    }
    return {
        "prompt": byte_tensor([inputs["sentence"][0]]),
        "negative_prompt": byte_tensor([b"text"]),
        "report": byte_tensor([json.dumps(report).encode()]),
    }


def workflow(inputs: Tensors) -> dict[str, np.ndarray]:
    """Answer with every picture that was sent, as its name and .png, and with the graph's nodes as done."""
    try:
        graph = json.loads(inputs["graph"][0])
    except ValueError as error:
        raise BadRequest(f"graph must be JSON: {error}") from error
    if not isinstance(graph, dict) or not all(isinstance(node, dict) for node in graph.values()):
        raise BadRequest("graph must be nodes by name")
    nodes = [
        {"name": name, "class_type": node.get("class_type", ""), "time": 0.0, "status": "done"}
        for name, node in graph.items()
    ]
    report = {"total_time": 0.0, "nodes": nodes, "steps": len(nodes)}
    names = [bytes(name) + b".png" for name in inputs.get("picture_name", ())]
    return {
        "file_name": byte_tensor(names),
        "file": byte_tensor(inputs.get("picture", ())),
        "report": byte_tensor([json.dumps(report).encode()]),
    }
