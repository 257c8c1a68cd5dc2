"""Reads a request of `run_workflow`, and checks graph and pictures before any node runs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

from vitrine.errors import BadRequest

from vitrine_orchestrator.pictures import Limits, decode
from vitrine_orchestrator.wire.fields import Inputs, as_text, encoded, pictures, texts
from vitrine_orchestrator.workflows.graph import Graph, Node, read_graph
from vitrine_orchestrator.workflows.node_classes import NodeClass
from vitrine_orchestrator.workflows.picture_nodes import FORMATS, LOAD, SAVE

MAX_PICTURES = 32
MAX_BYTES = 100_000_000  # of all pictures of a request
MAX_NAME = 100  # characters
MAX_NAME_BYTES = 240
"""Of a file's name in UTF-8. File systems take 255, of which a copy or a draft needs some."""
FILE_NAME = re.compile(r"\w[\w .-]*")
"""A file's name: letters, digits, spaces, dots and dashes, no dot or dash first. It can name no folder."""


@dataclass(frozen=True, eq=False)
class WorkflowRequest:
    """A checked request."""

    graph: Graph
    pictures: Mapping[str, bytes]  # those that a node loads
    as_text: bool  # whether the answer's files are base64 text


def workflow_request(inputs: Inputs, limits: Limits, classes: Mapping[str, NodeClass]) -> WorkflowRequest:
    """The request in the inputs; BadRequest names the input or the node, the rule and the value."""
    given = encoded(inputs, "graph")
    if len(given) != 1 or not given[0]:
        raise BadRequest("graph must be given: one JSON object of nodes by id")
    graph = with_names(read_graph(given[0], classes))
    sent = _pictures(inputs)
    used = {str(node.literals["image"]) for node in graph.values() if node.kind.name == LOAD}
    for node in graph.values():
        if node.kind.name == LOAD and node.literals["image"] not in sent:
            names = ", ".join(map(repr, list(sent)[:10])) or "none"
            raise BadRequest(f"{node.place('image')} must name a picture that was sent ({names})")
    for name in sorted(used):
        decode(sent[name], f"picture {name!r}", limits)
    return WorkflowRequest(graph, {name: sent[name] for name in used}, as_text(inputs))


def with_names(graph: Graph) -> Graph:
    """The same graph with composed names (NFC), in which every file has a name of its own.

    BadRequest for a name that is no file's.
    """
    composed = {node.id: _composed(node) for node in graph.values()}
    saving = [node for node in composed.values() if node.kind.name == SAVE]
    names: dict[str, str] = {}
    for node in saving:
        if (name := node.literals.get("name")) is not None:
            _check_name(node, str(name))
            if (other := names.setdefault(str(name).lower(), node.id)) != node.id:
                raise BadRequest(
                    f"{node.place('name')} must be another one than of node {other[:40]!r}: {name}"
                )
    for number, node in enumerate(saving, 1):
        if "name" not in node.literals:
            free = next(one for one in map("image-{}.png".format, count(number)) if one not in names)
            names[free] = node.id
            composed[node.id] = _with_value(node, "name", free)
    return composed


def _composed(node: Node) -> Node:
    """The node with the name of its picture or file in NFC: macOS takes names apart."""
    name = {LOAD: "image", SAVE: "name"}.get(node.kind.name, "")
    if name not in node.literals:
        return node
    return _with_value(node, name, unicodedata.normalize("NFC", str(node.literals[name])))


def _with_value(node: Node, name: str, value: str) -> Node:
    return Node(node.id, node.kind, {**node.literals, name: value}, node.links)


def _check_name(node: Node, name: str) -> None:
    if (size := len(name.encode())) > MAX_NAME_BYTES:
        raise BadRequest(
            f"{node.place('name')} must have at most {MAX_NAME_BYTES} bytes in UTF-8, got {size}:"
            f" {name[:40]!r}"
        )
    if len(name) > MAX_NAME or not FILE_NAME.fullmatch(name):
        raise BadRequest(
            f"{node.place('name')} must be at most {MAX_NAME} letters, digits, spaces, dots and dashes,"
            f" a letter or digit first, got {name[:40]!r}"
        )
    if name.rpartition(".")[2].lower() not in FORMATS or "." not in name:
        raise BadRequest(f"{node.place('name')} must end in .{', .'.join(FORMATS)}, got {name[:40]!r}")


def _pictures(inputs: Inputs) -> dict[str, bytes]:
    """The pictures that were sent, by name."""
    sent = texts(inputs, "picture_name", 4 * MAX_NAME)  # a letter of NFC can be four of NFD
    names, files = [unicodedata.normalize("NFC", one) for one in sent], pictures(inputs, "picture")
    if (longest := max(map(len, names), default=0)) > MAX_NAME:
        raise BadRequest(f"picture_name must have at most {MAX_NAME} characters, got {longest}")
    if len(names) != len(files):
        raise BadRequest(f"picture_name must be one for each picture, got {len(names)} for {len(files)}")
    if len(files) > MAX_PICTURES:
        raise BadRequest(f"picture must be at most {MAX_PICTURES}, got {len(files)}")
    if len(set(names)) < len(names) or "" in names:
        raise BadRequest(f"picture_name must be different and not empty, got {names!r:.200}")
    if (size := sum(map(len, files))) > MAX_BYTES:
        raise BadRequest(f"picture must be at most {MAX_BYTES} bytes in all, got {size}")
    return dict(zip(names, files, strict=True))
