"""Reads an ONNX file of a checkpoint with all its weights, also those behind links.

onnx and onnxruntime do not read weights of a second file through a link, and onnxruntime does not start a
graph whose shapes are stored so. Therefore the weights are copied into the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path, PurePosixPath

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, helper

from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.errors import BadCheckpoint

FOUR_BITS = frozenset({TensorProto.INT4, TensorProto.UINT4, TensorProto.FLOAT4E2M1})


def read_onnx(path: Path, weights: bool = True) -> ModelProto:
    """Return the model with all its weights; `weights=False` only checks the files that have them.

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
            span = _span_of(tensor, source, name)
            if weights:
                _take_in(tensor, source, span)
    return model


def weight_names(path: Path) -> list[str]:
    """Return the names of the second files with an ONNX file's weights, which lie next to it.

    Raises BadCheckpoint as read_onnx does.
    """
    stored = (tensor for tensor in _tensors(read_onnx(path, weights=False)))
    places = (_place_of(tensor) for tensor in stored if tensor.data_location == TensorProto.EXTERNAL)
    return sorted({place.as_posix() for place in places})


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
    place = _place_of(tensor)
    if not place.parts or place.is_absolute() or ".." in place.parts:
        raise BadCheckpoint(f"{label}: {tensor.name}: its weights must lie next to the file, not in {place}")
    source, name = path.parent / place, f"{path.parent.name}/{place}"
    if not source.is_file() and not source.is_symlink():
        raise BadCheckpoint(f"{label} has its weights in {name}, which is missing; fetch it too")
    ensure_present(source, name)
    ensure_real(source, name)
    return source, name


def _place_of(tensor: TensorProto) -> PurePosixPath:
    given = {entry.key: entry.value for entry in tensor.external_data}
    return PurePosixPath(given.get("location", "").replace("\\", "/"))


def _span_of(tensor: TensorProto, source: Path, name: str) -> tuple[int, int]:
    """Return offset and length of a tensor's bytes in `source`; BadCheckpoint unless all are there."""
    given = {entry.key: entry.value for entry in tensor.external_data}
    try:
        offset, length = int(given.get("offset") or 0), int(given.get("length") or _bytes_of(tensor))
    except (ValueError, KeyError, TypeError) as error:
        raise BadCheckpoint(
            f"{name}: the place of {tensor.name} cannot be read ({error}); fetch both files again"
        ) from error
    size = source.stat().st_size
    if offset < 0 or length < 0:
        raise BadCheckpoint(f"{name}: {tensor.name} must begin in the file, got offset {offset}; fetch both")
    if offset + length > size:
        raise BadCheckpoint(f"{name} is cut short ({size} bytes); fetch it again")
    return offset, length


def _bytes_of(tensor: TensorProto) -> int:
    """Return a tensor's size in bytes by its shape."""
    if tensor.data_type in FOUR_BITS:
        return (prod(tensor.dims) + 1) // 2
    return prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def _take_in(tensor: TensorProto, source: Path, span: tuple[int, int]) -> None:
    """Copy a tensor's bytes from the file `source` into the graph."""
    with source.open("rb") as file:
        file.seek(span[0])
        tensor.raw_data = file.read(span[1])
    del tensor.external_data[:]
    tensor.data_location = TensorProto.DEFAULT
