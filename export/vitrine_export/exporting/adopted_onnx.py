"""Adopts person networks that are ONNX files: renames their tensors as in the stage table.

Weights and nodes do not change. A graph that was exported for one picture is tried with a batch. If it fails,
it becomes the body of a loop over the batch (`Scan`), which works for every graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, ValueInfoProto, helper, numpy_helper
from vitrine_orchestrator.stages import NETWORK_FILE, Dim, Stage, Tensor, numpy_dtype
from vitrine_orchestrator.stages import stage as stage_row

from vitrine_export.checkpoint.onnx_source import read_onnx
from vitrine_export.errors import BadCheckpoint, ExportFailed
from vitrine_export.exporting.network import BATCH
from vitrine_export.exporting.onnx_file import Proof, difference, drafts, explained, remove, session

PICKED: Mapping[str, tuple[int, ...]] = {"parsing_atr": (1,), "parsing_lip": (1,)}
"""The indices of the outputs that are read, where they are not the first ones: SCHP's first has the edges."""

OPERATORS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""The domains of operators that onnxruntime brings."""
OPSETS = range(7, onnx.defs.onnx_opset_version() + 1)
"""The versions of the standard operators that can be read."""

SCAN_SINCE = 9  # the first opset with this form of Scan

Outputs = list[np.ndarray]
Reference = Callable[[np.ndarray], Outputs]
"""Maps one picture, with a batch axis of 1, to the stage's outputs."""


@dataclass(frozen=True)
class Adopted:
    """The result of an adoption."""

    proof: Proof
    looped: bool  # its graph loops over the batch, one picture at a time


def adopt(row: Stage, source: Path, repository: Path, reference: Reference | None = None) -> Adopted:
    """Write a stage's ONNX file from the ONNX file `source`, or write nothing.

    `reference` computes the right outputs; it defaults to `source`, run on one picture at a time.
    Raises BadCheckpoint if `source` is no ONNX file or lacks the stage's inputs and outputs, and ExportFailed
    if the new file gives another result, for one picture or for a batch.
    """
    started = time.perf_counter()
    target = repository / row.name / "1" / NETWORK_FILE
    remove(target)
    model = _checked(read_onnx(source), row, source)
    pictures = _pictures(row)
    with explained(row.name, f"{source.name} does not run"):
        right = reference or _itself(model, row)
        single = [right(picture[None]) for picture in pictures]
        wanted = [np.concatenate(parts) for parts in zip(*single, strict=True)]
    _check_answers(row, wanted, source)
    try:
        worst, looped = _prove(_batched(model, row), row, target, pictures, wanted), False
    except ExportFailed:
        worst, looped = _prove(_looped(model, row), row, target, pictures, wanted), True
    size = target.stat().st_size
    return Adopted(Proof(worst, row.tolerance, size, time.perf_counter() - started), looped)


def check_file(stage: str, source: Path) -> None:
    """Raise BadCheckpoint if a file is no ONNX file or lacks the inputs and outputs of a stage."""
    _checked(read_onnx(source, weights=False), stage_row(stage), source)


def _prove(model: ModelProto, row: Stage, target: Path, pictures: np.ndarray, wanted: Outputs) -> float:
    """Write the model if it gives `wanted` for a batch and for one picture; return the largest difference."""
    with drafts(target) as draft:
        onnx.save(model, draft)
        with explained(row.name, "onnxruntime cannot run it under the stage's names"):
            opened = session(draft)
            names = [tensor.name for tensor in row.outputs]
            batch, one = (opened.run(names, {row.inputs[0].name: part}) for part in (pictures, pictures[:1]))
        worst = difference([*batch, *one], [*wanted, *(part[:1] for part in wanted)])
        if not worst <= row.tolerance:
            raise ExportFailed(
                f"{row.name}: in a batch ONNX is {worst:.1e} from itself, allowed {row.tolerance:.0e}"
            )
    return worst


def _checked(model: ModelProto, row: Stage, source: Path) -> ModelProto:
    """Return the model; raises BadCheckpoint unless its inputs and outputs match the stage's row."""
    label, graph = f"{source.parent.name}/{source.name}", model.graph
    _tidy(graph)
    _check_operators(model, label)
    if len(graph.input) != 1:
        raise BadCheckpoint(f"{label}: one input is expected, got {[value.name for value in graph.input]}")
    last = max(picked(row))
    if len(graph.output) <= last:
        found = [value.name for value in graph.output]
        raise BadCheckpoint(f"{label}: output {last} is {row.name}'s, but there are only {found}")
    outputs = [graph.output[index] for index in picked(row)]
    for value, tensor in zip((graph.input[0], *outputs), (row.inputs[0], *row.outputs), strict=True):
        _check_tensor(value, tensor, label)
    return model


def picked(row: Stage) -> tuple[int, ...]:
    """The indices of the source's outputs that are the stage's."""
    return PICKED.get(row.name, tuple(range(len(row.outputs))))


def _check_answers(row: Stage, answers: Outputs, source: Path) -> None:
    """Raise BadCheckpoint unless the network gave the stage's shapes: a file need not say its own."""
    for tensor, answer in zip(row.outputs, answers, strict=True):
        dims = list(answer.shape[1:])
        if len(dims) != len(tensor.dims) or not all(map(_fits, dims, tensor.dims)):
            raise BadCheckpoint(
                f"{source.parent.name}/{source.name}: {tensor.name} must be {list(tensor.dims)} "
                f"for a picture, the network gave {dims}"
            )


def _check_operators(model: ModelProto, label: str) -> None:
    """Raise BadCheckpoint for operators, or a version of them, that onnxruntime does not have."""
    given = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if given not in OPSETS:
        raise BadCheckpoint(f"{label}: opset must be {OPSETS[0]} to {OPSETS[-1]}, is {given or 'missing'}")
    own = {function.domain for function in model.functions}
    if foreign := sorted({node.domain for node in model.graph.node} - OPERATORS - own):
        raise BadCheckpoint(f"{label}: operators must be onnxruntime's own, has some of {', '.join(foreign)}")


def _check_tensor(value: ValueInfoProto, tensor: Tensor, label: str) -> None:
    """Raise BadCheckpoint unless a tensor of a file has the dtype and, where they are known, the dims."""
    form = value.type.tensor_type
    dims = [dim.dim_value for dim in form.shape.dim][1:]  # 0 if it varies
    known = form.HasField("shape")
    same_rank = len(dims) == len(tensor.dims)
    if known and not (same_rank and all(map(_fits, dims, tensor.dims))):
        raise BadCheckpoint(f"{label}: {value.name} must be {list(tensor.dims)} for a picture, is {dims}")
    kind = helper.tensor_dtype_to_np_dtype(form.elem_type)
    if kind != numpy_dtype(tensor):
        raise BadCheckpoint(f"{label}: {value.name} must be {numpy_dtype(tensor)}, is {kind}")


def _fits(have: int, want: Dim) -> bool:
    return not have or want == -1 or have == want


def _tidy(graph: GraphProto) -> None:
    """Remove weights from the inputs (files before IR 4 list them) and notes with the exporter's paths."""
    stored = {tensor.name for tensor in graph.initializer}
    for value in [value for value in graph.input if value.name in stored]:
        graph.input.remove(value)
    for node in graph.node:
        del node.metadata_props[:]


def _pictures(row: Stage) -> np.ndarray:
    """Return two different inputs of the stage, stacked."""
    draw, tensor = np.random.default_rng(0), row.inputs[0]
    shape = (2, *(dim if isinstance(dim, int) else dim.small for dim in tensor.dims))
    if tensor.dtype == "UINT8":
        return draw.integers(0, 256, shape, np.uint8)
    return draw.standard_normal(shape, np.float32)


def _itself(model: ModelProto, row: Stage) -> Reference:
    opened = session(model.SerializeToString())
    name = opened.get_inputs()[0].name
    outputs = [opened.get_outputs()[index].name for index in picked(row)]
    return lambda picture: opened.run(outputs, {name: picture})


def _batched(model: ModelProto, row: Stage) -> ModelProto:
    """Return a copy with the stage's names and a free axis 0."""
    made = ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    kept = [graph.output[index] for index in picked(row)]
    for other in [value for value in graph.output if value not in kept]:
        graph.output.remove(other)
    names = {value.name: tensor.name for value, tensor in zip(kept, row.outputs, strict=True)}
    _rename(graph, {graph.input[0].name: row.inputs[0].name, **names})
    del graph.value_info[:]  # these shapes have a batch of 1
    for value in (graph.input[0], *graph.output):
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_param = BATCH
    return made


def _rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Rename tensors everywhere; a tensor that already has one of the new names is renamed first."""
    taken = {new: f"{new}__before" for new in names.values() if new not in names}
    mapping = {**taken, **names}
    for node in graph.node:
        node.input[:] = [mapping.get(name, name) for name in node.input]
        node.output[:] = [mapping.get(name, name) for name in node.output]
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())):
                _rename(inner, names)
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = mapping.get(value.name, value.name)


def _looped(model: ModelProto, row: Stage) -> ModelProto:
    """Return a model that runs `model` on each row of a batch in turn, with the stage's names."""
    opset = next(entry.version for entry in model.opset_import if entry.domain == "")
    if opset < SCAN_SINCE:
        raise ExportFailed(f"{row.name}: its graph takes one picture, and opset {opset} has no loop for it")
    image, answers = row.inputs[0], row.outputs
    inside = GraphProto()
    inside.CopyFrom(model.graph)
    _rename(inside, {tensor.name: f"{tensor.name}__inside" for tensor in (image, *answers)})
    body, constants = _body(inside, row)
    names = [answer.name for answer in answers]
    outer = helper.make_graph(
        [helper.make_node("Scan", [image.name], names, num_scan_inputs=1, body=body)],
        row.name,
        [_in_a_batch(image, body.input[0])],
        [_in_a_batch(*pair) for pair in zip(answers, body.output, strict=True)],
        [*inside.initializer, *constants],
    )
    return helper.make_model(outer, opset_imports=model.opset_import, ir_version=max(model.ir_version, 4))


def _in_a_batch(tensor: Tensor, single: ValueInfoProto) -> ValueInfoProto:
    """Describe the tensor of a batch whose rows have the type of `single`."""
    dims = [BATCH, *(None if dim == -1 else dim for dim in tensor.dims)]
    return helper.make_tensor_value_info(tensor.name, single.type.tensor_type.elem_type, dims)


def _body(inside: GraphProto, row: Stage) -> tuple[GraphProto, list[onnx.TensorProto]]:
    """Return the graph of one picture without its batch axis, and the constants that it adds."""
    source, outputs = inside.input[0], [inside.output[index] for index in picked(row)]
    shape, first, picture = "loop_shape", "loop_first", "loop_picture"
    answers = [f"loop_answer_{number}" for number in range(len(outputs))]
    dims = list(row.inputs[0].dims)
    nodes = [
        helper.make_node("Reshape", [picture, shape], [source.name]),
        *inside.node,
        *(
            helper.make_node("Gather", [value.name, first], [answer], axis=0)
            for value, answer in zip(outputs, answers, strict=True)
        ),
    ]
    body = helper.make_graph(
        nodes,
        "one_picture",
        [helper.make_tensor_value_info(picture, source.type.tensor_type.elem_type, dims)],
        [
            helper.make_tensor_value_info(answer, value.type.tensor_type.elem_type, None)
            for value, answer in zip(outputs, answers, strict=True)
        ],
    )
    constants = {shape: np.array([1, *dims], np.int64), first: np.array(0, np.int64)}
    return body, [numpy_helper.from_array(value, name) for name, value in constants.items()]
