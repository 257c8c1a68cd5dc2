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
from onnx import GraphProto, ModelProto, helper, numpy_helper
from vitrine_orchestrator.stages import NETWORK_FILE, Stage, numpy_dtype
from vitrine_orchestrator.stages import stage as stage_row

from vitrine_export.errors import BadCheckpoint, ExportFailed
from vitrine_export.exporting.network import BATCH
from vitrine_export.exporting.onnx_file import Proof, difference, drafts, explained, remove, session
from vitrine_export.exporting.onnx_source import read_onnx

PICKED: Mapping[str, int] = {"parsing_atr": 1, "parsing_lip": 1, "densepose": 0}
"""The index of the output that is read: SCHP's second output has the labels, the first the edges."""

SCAN_SINCE = 9  # the first opset with this form of Scan

Reference = Callable[[np.ndarray], np.ndarray]
"""Maps one picture, with a batch axis of 1, to the stage's output."""


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
        wanted = np.concatenate([right(picture[None]) for picture in pictures])
    try:
        worst, looped = _prove(_batched(model, row), row, target, pictures, wanted), False
    except ExportFailed:
        worst, looped = _prove(_looped(model, row), row, target, pictures, wanted), True
    size = target.stat().st_size
    return Adopted(Proof(worst, row.tolerance, size, time.perf_counter() - started), looped)


def check_file(stage: str, source: Path) -> None:
    """Raise BadCheckpoint if a file is no ONNX file or lacks the inputs and outputs of a stage."""
    _checked(read_onnx(source, weights=False), stage_row(stage), source)


def _prove(model: ModelProto, row: Stage, target: Path, pictures: np.ndarray, wanted: np.ndarray) -> float:
    """Write the model if it gives `wanted` for a batch and for one picture; return the largest difference."""
    with drafts(target) as draft:
        onnx.save(model, draft)
        with explained(row.name, "onnxruntime cannot run it under the stage's names"):
            opened = session(draft)
            given = [
                opened.run([row.outputs[0].name], {row.inputs[0].name: batch})[0]
                for batch in (pictures, pictures[:1])
            ]
        worst = difference(given, [wanted, wanted[:1]])
        if not worst <= row.tolerance:
            raise ExportFailed(
                f"{row.name}: in a batch ONNX is {worst:.1e} from itself, allowed {row.tolerance:.0e}"
            )
    return worst


def _checked(model: ModelProto, row: Stage, source: Path) -> ModelProto:
    """Return the model; raises BadCheckpoint unless its inputs and outputs match the stage's row."""
    label, graph = f"{source.parent.name}/{source.name}", model.graph
    _tidy(graph)
    if len(graph.input) != 1:
        raise BadCheckpoint(f"{label}: one input is expected, got {[value.name for value in graph.input]}")
    if len(graph.output) <= PICKED[row.name]:
        raise BadCheckpoint(
            f"{label}: output {PICKED[row.name]} is {row.name}'s, but there are only {len(graph.output)}"
        )
    pairs = ((graph.input[0], row.inputs[0]), (graph.output[PICKED[row.name]], row.outputs[0]))
    for value, tensor in pairs:
        dims = [d.dim_value for d in value.type.tensor_type.shape.dim][1:]  # 0 if it varies
        if any(have and want != -1 and have != want for have, want in zip(dims, tensor.dims, strict=False)):
            raise BadCheckpoint(f"{label}: {value.name} must be {list(tensor.dims)} for a picture, is {dims}")
        kind = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if kind != numpy_dtype(tensor):
            raise BadCheckpoint(f"{label}: {value.name} must be {numpy_dtype(tensor)}, is {kind}")
    return model


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
    shape = (2, *(int(dim) for dim in tensor.dims))
    if tensor.dtype == "UINT8":
        return draw.integers(0, 256, shape, np.uint8)
    return draw.standard_normal(shape, np.float32)


def _itself(model: ModelProto, row: Stage) -> Reference:
    opened = session(model.SerializeToString())
    name = opened.get_inputs()[0].name
    return lambda picture: opened.run(None, {name: picture})[PICKED[row.name]]


def _batched(model: ModelProto, row: Stage) -> ModelProto:
    """Return a copy with the stage's names and a free axis 0."""
    made = ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    picked = graph.output[PICKED[row.name]]
    _rename(graph, {graph.input[0].name: row.inputs[0].name, picked.name: row.outputs[0].name})
    del graph.value_info[:]  # these shapes have a batch of 1
    for other in [value for value in graph.output if value.name != row.outputs[0].name]:
        graph.output.remove(other)
    for value in (graph.input[0], graph.output[0]):
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
    image, answer = row.inputs[0], row.outputs[0]
    inside = GraphProto()
    inside.CopyFrom(model.graph)
    _rename(inside, {tensor.name: f"{tensor.name}__inside" for tensor in (image, answer)})
    body, constants = _body(inside, row)
    made = helper.make_tensor_value_info
    kinds = [value.type.tensor_type.elem_type for value in (body.input[0], body.output[0])]
    outer = helper.make_graph(
        [helper.make_node("Scan", [image.name], [answer.name], num_scan_inputs=1, body=body)],
        row.name,
        [made(image.name, kinds[0], [BATCH, *image.dims])],
        [made(answer.name, kinds[1], [BATCH, *(None if dim == -1 else dim for dim in answer.dims)])],
        [*inside.initializer, *constants],
    )
    return helper.make_model(outer, opset_imports=model.opset_import, ir_version=max(model.ir_version, 4))


def _body(inside: GraphProto, row: Stage) -> tuple[GraphProto, list[onnx.TensorProto]]:
    """Return the graph of one picture without its batch axis, and the constants that it adds."""
    source, picked = inside.input[0], inside.output[PICKED[row.name]]
    shape, first, picture, answer = "loop_shape", "loop_first", "loop_picture", "loop_answer"
    dims = list(row.inputs[0].dims)
    nodes = [
        helper.make_node("Reshape", [picture, shape], [source.name]),
        *inside.node,
        helper.make_node("Gather", [picked.name, first], [answer], axis=0),
    ]
    body = helper.make_graph(
        nodes,
        "one_picture",
        [helper.make_tensor_value_info(picture, source.type.tensor_type.elem_type, dims)],
        [helper.make_tensor_value_info(answer, picked.type.tensor_type.elem_type, None)],
    )
    constants = {shape: np.array([1, *dims], np.int64), first: np.array(0, np.int64)}
    return body, [numpy_helper.from_array(value, name) for name, value in constants.items()]
