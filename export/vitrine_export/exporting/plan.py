"""Builds TensorRT engines from the ONNX files of a model repository.

Written for the Python API of TensorRT 11, in which networks are always strongly typed: the ONNX graph sets
the precision. It has been run with a substitute for the package only, without a GPU.
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import onnx
from vitrine.errors import Unavailable
from vitrine_orchestrator.stages import Size, sizes, stage

from vitrine_export.errors import ExportFailed
from vitrine_export.exporting.families import FAMILIES, STAGE_NAMES
from vitrine_export.exporting.network import BATCH
from vitrine_export.exporting.order import TOKENS_OF
from vitrine_export.exporting.recipes import Recipe

OLDEST = 11
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Range:
    """The shapes of one input: smallest, optimal, largest."""

    least: Shape
    best: Shape
    most: Shape


def tensorrt() -> ModuleType:
    """Import TensorRT; Unavailable if it is missing or too old."""
    try:
        found = importlib.import_module("tensorrt")
    except ImportError as error:
        raise Unavailable(
            "TensorRT is not installed: run this where the GPU is, after pip install 'vitrine[gpu]'"
        ) from error
    if int(found.__version__.split(".")[0]) < OLDEST:
        raise Unavailable(f"TensorRT must be {OLDEST} or newer, got {found.__version__}")
    return found


def gpu_name() -> str:
    """Return the first GPU's name with underscores, such as NVIDIA_H200; Unavailable without a GPU."""
    tool = shutil.which("nvidia-smi")
    asked = tool and subprocess.run(
        [tool, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    if not asked or asked.returncode or not asked.stdout.strip():
        raise Unavailable("no NVIDIA GPU answers nvidia-smi: an engine is built on the GPU that will run it")
    return re.sub(r"[^A-Za-z0-9]+", "_", asked.stdout.splitlines()[0].strip())


@dataclass(frozen=True)
class Graph:
    """An ONNX file of a repository, the family that it is of, and its recipe."""

    family: str
    recipe: Recipe
    path: Path


def onnx_files(repository: Path, stages: tuple[str, ...] = STAGE_NAMES) -> list[Graph]:
    """Return the existing ONNX files of the stages."""
    return [
        Graph(family.name, row, repository / path)
        for family in FAMILIES
        for row in family.recipes
        for path in row.paths(optional=True)
        if row.stage in stages and path.endswith(".onnx") and (repository / path).is_file()
    ]


def engine_path(source: Path, repository: Path, out: Path, gpu: str, version: str) -> Path:
    """Return an engine's path, next to its graph or in the same place below `out`; names GPU and version."""
    inside = source.relative_to(repository)
    return out / inside.with_name(f"{inside.stem}.{gpu}.trt{version}.plan")


def ranges(source: Graph) -> dict[str, Range]:
    """Return the shapes of each input of a graph, from its axis names and the sizes of its family."""
    most_rows = source.recipe.engine_rows or stage(source.recipe.stage).max_batch
    known = sizes(source.family)
    graph = onnx.load(source.path, load_external_data=False).graph
    found = {}
    for value in graph.input:
        dims = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        shapes = (
            tuple(_length(dim, known, column, rows) for dim in dims)
            for column, rows in (("least", 1), ("usual", 1), ("most", most_rows))
        )
        found[value.name] = Range(*shapes)
    return found


def _length(dim: str | int, known: Mapping[str, Size], column: str, rows: int) -> int:
    """Return the length of an axis: a number, the batch, a size, or the tokens of the latents."""
    if isinstance(dim, int):
        return dim
    if dim == BATCH:
        return rows
    if dim.startswith(TOKENS_OF):
        sides = (getattr(known[side], column) for side in ("latent_height", "latent_width"))
        return next(sides) * next(sides) // int(dim.removeprefix(TOKENS_OF))
    if dim not in known:
        raise ExportFailed(f"axis {dim} has no range in the stage table; known: {', '.join(known)}")
    return getattr(known[dim], column)


def build(trt: ModuleType, source: Path, shapes: dict[str, Range], target: Path) -> None:
    """Write one engine file, or write nothing. Raises ExportFailed with TensorRT's message."""
    builder = trt.Builder(trt.Logger(trt.Logger.WARNING))
    network = builder.create_network()
    parser = trt.OnnxParser(network, trt.Logger(trt.Logger.WARNING))
    if not parser.parse_from_file(str(source)):
        raise ExportFailed(f"{source.name}: TensorRT cannot read it: {'; '.join(_complaints(parser))}")
    profile = builder.create_optimization_profile()
    for name, shape in shapes.items():
        profile.set_shape(name, min=shape.least, opt=shape.best, max=shape.most)
    config = builder.create_builder_config()
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ExportFailed(f"{source.name}: TensorRT built no engine; its log above says why")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.draft")
    draft.write_bytes(engine)
    draft.replace(target)


def _complaints(parser: Any) -> Iterator[str]:
    for index in range(parser.num_errors):
        yield parser.get_error(index).desc()
