"""Reads a workflow's graph, in the form of ComfyUI's API, and checks it before any node runs.

    {"1": {"class_type": "load_image", "inputs": {"image": "mug"}},
     "2": {"class_type": "cut_out", "inputs": {"image": ["1", 0]}}}

Every BadRequest names the node, the input, the rule and the value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vitrine.errors import BadRequest

from vitrine_orchestrator.workflows.literals import check_literal
from vitrine_orchestrator.workflows.node_classes import NodeClass, NodeInput
from vitrine_orchestrator.workflows.values import Given, Plain, fits

MAX_GRAPH = 1_000_000  # bytes of JSON
MAX_NODES = 200
MAX_ID = 100  # characters
MAX_MANY = 16  # values or links of one input
KEYS = ("class_type", "inputs", "_meta", "is_changed")
"""Of a node. The last two are an editor's own notes."""


@dataclass(frozen=True)
class Link:
    """An output of another node."""

    node: str
    output: int


@dataclass(frozen=True)
class Node:
    """A checked node."""

    id: str
    kind: NodeClass
    literals: Mapping[str, Plain | list[Plain]]
    links: Mapping[str, Link | tuple[Link, ...]]

    @property
    def feeds(self) -> Iterator[Link]:
        """All links that lead into the node."""
        for one in self.links.values():
            yield from (one,) if isinstance(one, Link) else one

    def check_linked(self, given: Mapping[str, Given]) -> None:
        """BadRequest unless values that came by links are such as could stand in the graph itself."""
        for name in self.links:
            row = self.kind.input(name)
            assert row is not None
            if row.literal:
                check_literal(row, given[name], self.place(name), MAX_MANY)

    def place(self, name: str) -> str:
        """The node and one of its inputs, for messages."""
        return place_of(self.id, self.kind.name, name)


Graph = Mapping[str, Node]
"""Nodes by id: each comes after those that feed it."""


def place_of(identifier: str, kind: object, name: str | None = None) -> str:
    """A node, or an input of it, for messages; long ids are cut."""
    node = f"node {identifier[:40]!r} ({str(kind)[:40]})"
    return f"{node}, input {name[:40]}" if name else node


def read_graph(text: str | bytes, classes: Mapping[str, NodeClass]) -> Graph:
    """The nodes in an order in which they can run; BadRequest says what is wrong with the graph."""
    found = _parsed(text)
    if not 1 <= len(found) <= MAX_NODES:
        raise BadRequest(f"graph must have 1 to {MAX_NODES} nodes, got {len(found)}")
    nodes = {identifier: _node(identifier, entry, classes) for identifier, entry in found.items()}
    for node in nodes.values():
        _check_links(node, nodes)
    return _in_order(nodes)


def _parsed(text: str | bytes) -> dict[str, Any]:
    if len(text) > MAX_GRAPH:
        raise BadRequest(f"graph must have at most {MAX_GRAPH} bytes, got {len(text)}")
    try:
        found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        json.dumps(found, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError) as error:
        reason = "too deep" if isinstance(error, RecursionError) else str(error)[:80]
        raise BadRequest(f"graph must be JSON, got {len(text)} bytes that are not: {reason}") from None
    if not isinstance(found, dict):
        raise BadRequest(f"graph must be an object of nodes by id, got {type(found).__name__}")
    if isinstance(found.get("nodes"), list):
        raise BadRequest(
            "graph must be nodes by id, got the file that ComfyUI's editor saves: use its Export (API)"
        )
    return _unwrapped(found)


def _unwrapped(found: dict[str, Any]) -> dict[str, Any]:
    """The nodes by id, also where they stand in a body of ComfyUI's /prompt."""
    inner = found.get("prompt")
    return inner if isinstance(inner, dict) and not isinstance(inner.get("class_type"), str) else found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs; BadRequest where a name occurs twice, since one of both would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(f"graph must have each name once in an object, got {twice[:40]!r} twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _node(identifier: str, entry: object, classes: Mapping[str, NodeClass]) -> Node:
    if not identifier or len(identifier) > MAX_ID:
        raise BadRequest(f"graph: an id must have 1 to {MAX_ID} characters, got {len(identifier)}")
    if not isinstance(entry, dict):
        raise BadRequest(f"{place_of(identifier, '?')} must be an object of class_type and inputs")
    if unknown := sorted(entry.keys() - set(KEYS)):
        raise BadRequest(
            f"{place_of(identifier, '?')} must have no names but {', '.join(KEYS)}, got {unknown[0][:40]!r}"
        )
    name, given = entry.get("class_type"), entry.get("inputs", {})
    if not isinstance(name, str) or name not in classes:
        known = ", ".join(classes)
        raise BadRequest(f"{place_of(identifier, name)}: class_type must be one of {known}")
    if not isinstance(given, dict):
        raise BadRequest(
            f"{place_of(identifier, name)}: inputs must be an object, got {type(given).__name__}"
        )
    return _read_inputs(identifier, classes[name], given)


def _read_inputs(identifier: str, kind: NodeClass, given: Mapping[str, object]) -> Node:
    literals: dict[str, Any] = {}
    links: dict[str, Link | tuple[Link, ...]] = {}
    for name, value in given.items():
        place, row = place_of(identifier, kind.name, name), kind.input(name)
        if row is None:
            known = ", ".join(one.name for one in kind.inputs)
            raise BadRequest(f"{place}: there is no such input; the inputs are {known}")
        if _has_links(row, value):
            links[name] = _links(row, value, place)
        else:
            check_literal(row, value, place, MAX_MANY)
            literals[name] = value
    for row in kind.inputs:
        if row.required and row.name not in given:
            raise BadRequest(f"{place_of(identifier, kind.name, row.name)} must be given: {row.kind}")
    return Node(identifier, kind, literals, links)


def _is_link(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and type(value[1]) is int


def _has_links(row: NodeInput, value: object) -> bool:
    """Whether a value is a link or, where the input takes many, has one in it. In JSON nothing is a link."""
    if row.kind == "JSON":
        return False
    return _is_link(value) or (row.many and isinstance(value, list) and any(map(_is_link, value)))


def _links(row: NodeInput, value: Any, place: str) -> Link | tuple[Link, ...]:
    if not row.linked:
        raise BadRequest(f"{place} must be a value and no link, got {value!r:.60}")
    if _is_link(value):
        return Link(*value)
    if not all(map(_is_link, value)):
        raise BadRequest(f"{place} must be links or values, and not both, got {value!r:.60}")
    if len(value) > MAX_MANY:
        raise BadRequest(f"{place} must be at most {MAX_MANY} links, got {len(value)}")
    return tuple(Link(*one) for one in value)


def _meant_link(value: object, nodes: Mapping[str, Node]) -> str | None:
    """The node that a value of JSON is meant to link to, if any part of it looks so."""
    parts = [value]
    while parts:
        one = parts.pop()
        if isinstance(one, list):
            if _is_link(one) and one[0] in nodes:
                return str(one[0])
            parts += one
        elif isinstance(one, dict):
            parts += one.values()
    return None


def _check_links(node: Node, nodes: Mapping[str, Node]) -> None:
    """BadRequest for a link to a node or an output that is not there, of another kind, or in JSON."""
    for name, value in node.literals.items():
        if (meant := _meant_link(value, nodes)) is not None:
            raise BadRequest(
                f"{node.place(name)} must be JSON of the graph itself, got a link to node {meant[:40]!r}"
            )
    for name, given in node.links.items():
        row = node.kind.input(name)
        assert row is not None
        for link in (given,) if isinstance(given, Link) else given:
            feeder = nodes.get(link.node)
            if feeder is None:
                raise BadRequest(f"{node.place(name)}: there is no node {link.node[:40]!r}")
            outputs = feeder.kind.outputs
            if not 0 <= link.output < len(outputs):
                what = f"outputs 0 to {len(outputs) - 1}" if outputs else "no output"
                raise BadRequest(
                    f"{node.place(name)}: {place_of(feeder.id, feeder.kind.name)} has {what},"
                    f" got {link.output!r:.40}"
                )
            output = outputs[link.output]
            if not fits(output.kind, row.kind):
                raise BadRequest(
                    f"{node.place(name)} must be {row.kind}, got {output.kind}: output {output.name} of"
                    f" {place_of(feeder.id, feeder.kind.name)}"
                )


def _in_order(nodes: Mapping[str, Node]) -> Graph:
    """The nodes, each after those that feed it; BadRequest for nodes that feed themselves."""
    ordered: dict[str, Node] = {}
    waiting = {identifier: {link.node for link in node.feeds} for identifier, node in nodes.items()}
    while ready := [one for one, feeders in waiting.items() if feeders <= ordered.keys()]:
        for identifier in ready:
            ordered[identifier] = nodes[identifier]
            del waiting[identifier]
    while behind := [one for one in waiting if not any(one in feeders for feeders in waiting.values())]:
        for identifier in behind:  # they wait for the cycle, which does not need them
            del waiting[identifier]
    if waiting:
        named = ", ".join(repr(one[:40]) for one in list(waiting)[:5])
        raise BadRequest(f"graph must have no cycle, got one: nodes {named} wait for themselves")
    return ordered
