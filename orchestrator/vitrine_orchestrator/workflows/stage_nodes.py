"""Nodes that are models of the server: their inputs and outputs come from the rows of the stage table."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from vitrine.errors import BadRequest, StageFailed

from vitrine_orchestrator.pipeline.request_context import read_report
from vitrine_orchestrator.stages import numpy_dtype, stage
from vitrine_orchestrator.stages.calls import Stages
from vitrine_orchestrator.stages.table import Tensor
from vitrine_orchestrator.wire.arrays import Arrays
from vitrine_orchestrator.workflows.node_classes import (
    NodeAnswer,
    NodeClass,
    NodeContext,
    NodeInput,
    NodeOutput,
)
from vitrine_orchestrator.workflows.values import Given, Image, Kind, Value

PICTURES = ("image", "product", "scene", "person", "garment", "mask", "origin", "alpha", "shadow")
"""Names of tensors of encoded pictures, in every stage."""
JSON_TEXTS = ("texts", "settings")
"""Names of inputs of JSON."""
LEFT_OUT = (
    *("encoding", "format", "job", "describe", "previews"),  # of the way in and out, not of the work
    *("n", "each", "sizes"),  # a node has one answer: two nodes give two
    *("person_id", "garment_id"),  # what an id means can change, and a workflow sends the picture
    "keep_clear",  # an array of raw numbers
)
"""Inputs of stages that nodes do not have, those of raw pixels (`_raw`) besides."""

ONE, MANY = {"STRING": "TEXT", "FP32": "FLOAT", "BOOL": "BOOL"}, {"FP32": "FLOATS"}
"""Kinds by the dtype of a tensor of one element, and of several; integers are INT and INTS."""


Call = Callable[[Stages, str, Arrays], Awaitable[dict[str, np.ndarray]]]
"""Calls a stage by its name."""


async def called(stages: Stages, name: str, inputs: Arrays) -> dict[str, np.ndarray]:
    """The stage's outputs. A cancellation only ends the wait: the stage finishes for nothing."""
    return await stages(name, inputs)


def stage_node(
    name: str,
    about: str,
    *,
    outputs: Sequence[str],
    required: Sequence[str] = (),
    releases: Sequence[str] | None = None,
    keeps: bool = True,
    call: Call = called,
) -> NodeClass:
    """The node of a stage. `outputs` are tensors of it, in the order in which links count them.

    releases: the models whose releases decide the answer; by default the stage itself, if it reads a release.
    call: how the stage is called, so that a cancellation reaches what it has started.
    """
    row = stage(name)
    by_name = {tensor.name: tensor for tensor in row.outputs}
    own = (name,) if row.needs_manifest else ()

    async def run(context: NodeContext, given: Mapping[str, Given]) -> NodeAnswer:
        arrays = {
            tensor.name: _array(tensor, given[tensor.name]) for tensor in row.inputs if tensor.name in given
        }
        answer = await call(context.stages, name, arrays)
        values = tuple(_value(name, by_name[one], answer) for one in outputs)
        return NodeAnswer(values, read_report(answer).get("pipeline_digest") if own else None)

    return NodeClass(
        name=name,
        about=about,
        inputs=tuple(_input(one, one.name in required) for one in row.inputs if not _is_left_out(one.name)),
        outputs=tuple(NodeOutput(one, _kind(replace(by_name[one], dims=(1,)))) for one in outputs),
        run=run,
        models=own if releases is None else tuple(releases),
        keeps=keeps,
    )


def _is_left_out(name: str) -> bool:
    return name in LEFT_OUT or name.endswith("_raw")


def _input(tensor: Tensor, required: bool) -> NodeInput:
    kind = _kind(tensor)
    return NodeInput(
        name=tensor.name,
        kind=kind,
        required=required,
        many=tensor.dtype == "STRING" and tensor.dims[0] == -1,
        linked=kind != "JSON",
        literal=kind != "IMAGE",
    )


def _kind(tensor: Tensor) -> Kind:
    if tensor.name in PICTURES:
        return "IMAGE"
    if tensor.name in JSON_TEXTS:
        return "JSON"
    whole: Kind = "INT" if tensor.dims == (1,) else "INTS"
    known: Mapping[str, Any] = ONE if tensor.dims == (1,) or tensor.dtype == "STRING" else MANY
    return known.get(tensor.dtype, whole)


def _array(tensor: Tensor, value: Given) -> np.ndarray:
    """A value as the tensor of the stage; BadRequest for a number that does not fit it."""
    dtype = numpy_dtype(tensor)
    values = value if isinstance(value, list) and tensor.name not in JSON_TEXTS else [value]
    if dtype == np.object_:
        return np.array([_bytes(one) for one in values], np.object_)
    try:
        return np.array(values, dtype)
    except OverflowError:
        raise BadRequest(f"{tensor.name} must fit {dtype.name}, got {str(value)[:40]}") from None


def _bytes(value: Any) -> bytes:
    if isinstance(value, Image):
        return value.encoded
    return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()


def _value(name: str, tensor: Tensor, answer: Arrays) -> Value:
    """The first element of an output."""
    array = answer.get(tensor.name)
    if array is None or array.size == 0:
        raise StageFailed(name, f"the answer has no {tensor.name}")
    one = array.reshape(-1)[0]
    if array.dtype != np.object_:
        return one.item()
    found = one if isinstance(one, bytes) else str(one).encode()
    return Image(found) if _kind(tensor) == "IMAGE" else found.decode()
