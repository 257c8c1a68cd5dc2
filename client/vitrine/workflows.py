"""The calls of workflows: a graph of nodes and pictures go in, the files that its nodes save come out."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Required, TypedDict

import numpy as np
from PIL import Image

from vitrine.answers import Progress, read_event_progress, read_report
from vitrine.errors import BadRequest, NotFound, VitrineError, from_wire
from vitrine.frozen import FrozenDict
from vitrine.inputs import Tensors, byte_tensor, utf8
from vitrine.pictures import Picture, decode_picture, encode_picture


class WorkflowOptions(TypedDict, total=False):
    """The options of a workflow."""

    graph: Required[Mapping[str, Any] | str]  # nodes by id, or their JSON: see docs/workflows.md
    pictures: Mapping[str, Picture] | None  # those that its `load_image` nodes name


@dataclass(frozen=True)
class NodeReport:
    """How one node ended."""

    name: str  # its id in the graph
    class_type: str
    status: str  # "done", "reused" (a kept answer), "failed" or "not run"
    time: float  # seconds of its own work
    values: Mapping[str, Any] = field(default_factory=dict)  # its outputs that are no pictures
    error: VitrineError | None = None


@dataclass(frozen=True)
class Workflow:
    """A finished workflow: its files, and how its nodes ended."""

    files: Mapping[str, bytes]  # by name, as its `save_image` nodes put them
    nodes: tuple[NodeReport, ...]  # each after those that feed it
    total_time: float  # seconds
    report: Mapping[str, Any]  # the whole report of the server

    @property
    def failed(self) -> tuple[NodeReport, ...]:
        """The nodes that failed; those behind them were not run."""
        return tuple(one for one in self.nodes if one.error is not None)

    def image(self, name: str) -> Image.Image:
        """Return a file as a picture; NotFound names the failed nodes where it was not made."""
        name = unicodedata.normalize("NFC", name)  # as the server names files
        if name not in self.files:
            wrong = "; ".join(f"node {one.name!r}: {one.error}" for one in self.failed)
            raise NotFound(f"the workflow has no file {name!r}" + (f" ({wrong})" if wrong else ""))
        return decode_picture(self.files[name], name)


def workflow_inputs(
    *, graph: Mapping[str, Any] | str, pictures: Mapping[str, Picture] | None = None
) -> dict[str, np.ndarray]:
    """Return the inputs of `run_workflow` and `workflow_stream`; see WorkflowOptions."""
    if not isinstance(graph, str | Mapping):
        raise BadRequest(f"graph must be JSON, or nodes by name, got {type(graph).__name__}")
    if not (pictures is None or isinstance(pictures, Mapping)):
        raise BadRequest(f"pictures must be pictures by name, got {type(pictures).__name__}")
    try:
        text = graph if isinstance(graph, str) else json.dumps(graph, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"graph must be JSON or what JSON can hold: {error}") from error
    inputs = {"graph": byte_tensor([utf8("graph", text)])}
    if not pictures:
        return inputs
    return inputs | {
        "picture_name": byte_tensor(utf8("a picture's name", name) for name in pictures),
        "picture": byte_tensor(encode_picture(one, f"picture {name!r}") for name, one in pictures.items()),
    }


def read_workflow(outputs: Tensors) -> Workflow:
    """Read the outputs of `run_workflow`; VitrineError for an answer that cannot be read."""
    report = read_report(outputs)
    names, files = (list(outputs.get(name, np.array([])).reshape(-1)) for name in ("file_name", "file"))
    try:
        return Workflow(
            files=FrozenDict({_text(name): _bytes(file) for name, file in zip(names, files, strict=True)}),
            nodes=tuple(_node(one) for one in report["nodes"]),
            total_time=float(report["total_time"]),
            report=FrozenDict(report),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise VitrineError(f"the server's workflow cannot be read: {error!r}") from error


def read_workflow_event(outputs: Tensors) -> Progress | Workflow:
    """Read one response of `workflow_stream`; raises VitrineError for an event that cannot be read."""
    return read_event_progress(outputs) or read_workflow(outputs)


def _node(entry: Mapping[str, Any]) -> NodeReport:
    failure = entry.get("error")
    return NodeReport(
        name=entry["name"],
        class_type=entry["class_type"],
        status=entry["status"],
        time=float(entry["time"]),
        values=FrozenDict(dict(entry.get("values", {}))),
        error=from_wire(None, f"{failure['word']}: {failure['message']}") if failure else None,
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
