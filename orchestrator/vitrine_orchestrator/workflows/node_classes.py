"""The form of a row of the nodes' table: a class of nodes with its inputs, its outputs and its work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from vitrine_orchestrator.pictures import Limits
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.workflows.values import Given, Kind, Value


@dataclass(frozen=True)
class NodeInput:
    """An input. `linked` and `literal` say what may be given: a link, a value in the graph, or either."""

    name: str
    kind: Kind
    required: bool = False
    many: bool = False  # whether a list of values or links may be given
    linked: bool = True
    literal: bool = True
    words: tuple[str, ...] = ()  # the only texts, where there are few
    low: int | None = None  # the smallest INT
    high: int | None = None  # the largest INT


@dataclass(frozen=True)
class NodeOutput:
    """An output; links name it by its place."""

    name: str
    kind: Kind


@dataclass(frozen=True)
class NodeContext:
    """What the work of a node needs of its request."""

    stages: Stages
    limits: Limits = field(default_factory=Limits)
    pictures: Mapping[str, bytes] = field(default_factory=dict)  # those that were sent, by name


@dataclass(frozen=True)
class NodeAnswer:
    """What a node's work gave."""

    values: tuple[Value, ...]  # one for each output
    pipeline_digest: str | None = None  # of the release that gave it
    files: Mapping[str, bytes] = field(default_factory=dict)  # for the answer of the workflow, by name


NodeRun = Callable[[NodeContext, Mapping[str, Given]], Awaitable[NodeAnswer]]
"""A node's work, from its inputs that are given."""


@dataclass(frozen=True)
class NodeClass:
    """A row of the table."""

    name: str
    about: str
    inputs: tuple[NodeInput, ...]
    outputs: tuple[NodeOutput, ...]
    run: NodeRun
    models: tuple[str, ...] = ()  # those that it calls: their releases are part of a kept answer's key
    keeps: bool = False  # whether its answers are kept for later workflows

    def input(self, name: str) -> NodeInput | None:
        """The input of that name."""
        return next((one for one in self.inputs if one.name == name), None)

    def may_keep(self, given: Mapping[str, Given]) -> bool:
        """Whether an answer can be kept: not where chance or a registry's changing file decides it."""
        random = self.input("seed") is not None and "seed" not in given
        return self.keeps and not random and "lora" not in given
