"""Reads an ONNX file of a checkpoint with all its weights, also those behind links.

onnx and onnxruntime do not read weights of a second file through a link, and onnxruntime does not start a
graph whose shapes are stored so. Therefore the weights are copied into the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto

from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.errors import BadCheckpoint


def read_onnx(path: Path, weights: bool = True) -> ModelProto:
    """Return the model with all its weights; `weights=False` only checks that files with weights exist.

    Raises BadCheckpoint if it is no ONNX file, or if a file with its weights is missing or truncated.
    """
    label = f"{path.parent.name}/{path.name}"
    ensure_present(path, label)
    ensure_real(path, label)
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises various errors for wrong bytes
        raise _cut_short(path, label) from error
    if not model.graph.node:
        raise _cut_short(path, label)
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            source, name = _source_of(tensor, path, label)
            if weights:
                _take_in(tensor, source, name)
    return model


def _cut_short(path: Path, label: str) -> BadCheckpoint:
    return BadCheckpoint(
        f"{label} is no ONNX file, or cut short ({path.stat().st_size} bytes); fetch it again"
    )


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every stored tensor of the graph, of graphs inside nodes, and of functions."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _of_attributes(node.attribute)


def _of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        yield from _of_attributes(node.attribute)


def _of_attributes(attributes: Iterator[AttributeProto]) -> Iterator[TensorProto]:
    for attribute in attributes:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        for graph in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else ())):
            yield from _of_graph(graph)


def _source_of(tensor: TensorProto, path: Path, label: str) -> tuple[Path, str]:
    """Return the file next to `path` with a tensor's bytes, and its name for errors."""
    given = {entry.key: entry.value for entry in tensor.external_data}
    place = PurePosixPath(given.get("location", "").replace("\\", "/"))
    if not place.parts or place.is_absolute() or ".." in place.parts:
        raise BadCheckpoint(f"{label}: {tensor.name}: its weights must lie next to the file, not in {place}")
    source, name = path.parent / place, f"{path.parent.name}/{place}"
    if not source.is_file() and not source.is_symlink():
        raise BadCheckpoint(f"{label} has its weights in {name}, which is missing; fetch it too")
    ensure_present(source, name)
    ensure_real(source, name)
    return source, name


def _take_in(tensor: TensorProto, source: Path, name: str) -> None:
    """Copy a tensor's bytes from the file `source` into the graph."""
    given = {entry.key: entry.value for entry in tensor.external_data}
    length = int(given.get("length", -1))
    with source.open("rb") as file:
        file.seek(int(given.get("offset", 0)))
        data = file.read(length)
    if length >= 0 and len(data) < length:
        raise BadCheckpoint(f"{name} is cut short ({source.stat().st_size} bytes); fetch it again")
    tensor.raw_data = data
    del tensor.external_data[:]
    tensor.data_location = TensorProto.DEFAULT
