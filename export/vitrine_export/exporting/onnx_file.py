"""One network's ONNX file: written to a draft folder, compared with torch, and only then put in its place."""

from __future__ import annotations

import logging
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnx_ir.passes.common as common
import onnxruntime
import torch
from onnxscript.optimizer import fold_constants, inline
from torch import Tensor

from vitrine_export.errors import ExportFailed
from vitrine_export.exporting.network import CHECKED, TRACED, Network

EXTERNAL_FROM_BYTES = 2**31 - 2**24
"""protobuf ends at 2 GiB (16 MiB are left for the graph): more weights lie in FILE.data beside the graph."""

HALF_TOLERANCE = 2e-2
"""float16 has 11 bits, so two orders of summing differ by more than a stage's own tolerance."""

Arrays = Sequence[np.ndarray]


@dataclass(frozen=True)
class Proof:
    """How far a file is from torch, and what it cost."""

    worst: float
    allowed: float
    size_bytes: int
    seconds: float


def write(stage: str, network: Network, repository: Path) -> Proof:
    """Write the ONNX file of a network, or nothing.

    Raises ExportFailed where it cannot be exported, does not run, or is further from torch than its stage
    allows on one of the samples; no file is left then, nor one of an earlier run.
    """
    started = time.perf_counter()
    target = repository / network.file
    remove(target)
    with drafts(target) as draft:
        wanted = [_run_torch(network, network.sample(*which)) for which in CHECKED]
        with explained(stage, "torch.onnx cannot export it"):
            export(network, draft)
        with explained(stage, "onnxruntime cannot run it"):
            given = list(run_onnx(draft, network))
        worst = max(difference(*pair) for pair in zip(given, wanted, strict=True))
        allowed = max(network.tolerance, HALF_TOLERANCE if network.module.dtype == torch.float16 else 0.0)
        if not worst <= allowed:  # not a number is no pass
            raise ExportFailed(f"{stage}: ONNX is {worst:.1e} from torch, allowed {allowed:.0e}")
    size = sum(path.stat().st_size for path in files_of(target))
    return Proof(worst, allowed, size, time.perf_counter() - started)


@contextmanager
def drafts(target: Path) -> Iterator[Path]:
    """A path in a draft folder: what lies there at the end is moved to `target`'s folder, unless it fails."""
    folder = target.parent / f".draft-{target.stem}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder / target.name
        for path in sorted(folder.iterdir(), reverse=True):  # weights before the graph that names them
            path.replace(target.parent / path.name)
    finally:
        shutil.rmtree(folder)


def files_of(path: Path) -> list[Path]:
    """An ONNX file and its weights, as far as they exist."""
    return [found for found in (path, path.with_name(f"{path.name}.data")) if found.is_file()]


def remove(path: Path) -> None:
    """Remove an ONNX file and its weights."""
    for found in files_of(path):
        found.unlink()


def difference(given: Arrays, wanted: Arrays) -> float:
    """The largest absolute difference, as a share of the largest value where that is over 1.

    Of whole numbers (labels): the share of places that differ. Infinite where names or shapes differ.
    """
    if [a.shape for a in given] != [a.shape for a in wanted]:
        return float("inf")
    return max(_difference(a, b) for a, b in zip(given, wanted, strict=True))


def _difference(given: np.ndarray, wanted: np.ndarray) -> float:
    if wanted.dtype.kind in "iub":
        return float((given != wanted).mean())
    scale = max(1.0, float(np.abs(wanted).max()))
    return float(np.abs(given - wanted).max()) / scale


def session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """A file, or the bytes of one that is whole, opened on the CPU.

    Where the weights lie beside it, without the optimiser: that keeps a float32 copy of every float16 weight.
    """
    options = onnxruntime.SessionOptions()
    if isinstance(model, Path) and len(files_of(model)) > 1:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # its errors are raised, not printed as well
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_onnx(path: Path, network: Network) -> Iterator[Arrays]:
    """What the file gives on each sample that is checked."""
    opened = session(path)
    for which in CHECKED:
        arrays = (tensor.numpy() for tensor in network.sample(*which))
        names = (name for name, _ in network.inputs)
        yield opened.run(list(network.outputs), dict(zip(names, arrays, strict=True)))


@torch.no_grad()
def _run_torch(network: Network, inputs: tuple[Tensor, ...]) -> Arrays:
    return [tensor.numpy() for tensor in network.module(*inputs)]


def export(network: Network, path: Path) -> None:
    """Write a network as ONNX, unproved, with its weights in a file of their own where they are many.

    The exporter's own optimiser is left out: it tries every rule of its patterns at every node, for a quarter
    of the time, and finds what onnxruntime and TensorRT find again when they load the file.
    """
    with warnings.catch_warnings(), quiet("torch.onnx._internal.exporter"), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter's own, about itself
        program = torch.onnx.export(
            network.module,
            network.sample(*TRACED),
            input_names=[name for name, _ in network.inputs],
            output_names=list(network.outputs),
            dynamic_shapes={"inputs": network.axes},
            dynamo=True,
            verbose=False,
            optimize=False,
        )
    inline(program.model)
    fold_constants(program.model)
    TIDY(program.model)
    without_traces(program)
    weights = sum(tensor.nbytes for tensor in network.module.state_dict().values())
    program.save(path, external_data=weights > EXTERNAL_FROM_BYTES)


TIDY = ir.passes.Sequential(
    common.RemoveUnusedNodesPass(),
    common.RemoveUnusedOpsetsPass(),
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
    common.DeduplicateInitializersPass(),
    common.CommonSubexpressionEliminationPass(),
    common.OutputFixPass(),
    common.NameFixPass(),
)
"""What torch's exporter does after translating, without its rules of patterns."""


def without_traces(program: torch.onnx.ONNXProgram) -> None:
    """Drop each node's notes: stack traces with the paths of the machine that exported it."""
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Only errors of a logger and those below it."""
    found = logging.getLogger(logger)
    before = found.level
    found.setLevel(logging.ERROR)
    try:
        yield
    finally:
        found.setLevel(before)


@contextmanager
def explained(stage: str, what: str) -> Iterator[None]:
    """Exporter and runtime raise what they like: make it the stage's failure."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ExportFailed(f"{stage}: {what}: {reason or type(error).__name__}") from error
