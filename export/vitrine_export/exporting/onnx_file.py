"""Writes one network's ONNX file to a draft folder, compares it with torch, and then moves it into place."""

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
from vitrine_export.exporting.translation import TRANSLATIONS, translated

EXTERNAL_FROM_BYTES = 2**31 - 2**24
"""More bytes of weights go to FILE.data: protobuf is limited to 2 GiB, of which the graph gets 16 MiB."""

HALF_TOLERANCE = 2e-2
"""Allowed difference in float16: with 11 bits, the order of a sum matters more than a stage's tolerance."""

Arrays = Sequence[np.ndarray]


@dataclass(frozen=True)
class Proof:
    """The difference of a file from torch, and the cost of its export."""

    worst: float
    allowed: float
    size_bytes: int
    seconds: float


def write(stage: str, network: Network, repository: Path) -> Proof:
    """Write the ONNX file of a network, or write nothing.

    Raises ExportFailed if the export or a run fails, or if a sample differs from torch by more than the stage
    allows. Then no file is left, not even one of an earlier export.
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
        if not worst <= allowed:  # so that NaN fails
            raise ExportFailed(f"{stage}: ONNX is {worst:.1e} from torch, allowed {allowed:.0e}")
    size = sum(path.stat().st_size for path in files_of(target))
    return Proof(worst, allowed, size, time.perf_counter() - started)


@contextmanager
def drafts(target: Path) -> Iterator[Path]:
    """Yield a path in a draft folder; its files move to the folder of `target` unless the block fails."""
    folder = target.parent / f".draft-{target.stem}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder / target.name
        for path in sorted(folder.iterdir(), reverse=True):  # weights move before their graph
            path.replace(target.parent / path.name)
    finally:
        shutil.rmtree(folder)


def files_of(path: Path) -> list[Path]:
    """Return an ONNX file and its file of weights, those that exist."""
    return [found for found in (path, path.with_name(f"{path.name}.data")) if found.is_file()]


def remove(path: Path) -> None:
    """Remove an ONNX file and its file of weights."""
    for found in files_of(path):
        found.unlink()


def difference(given: Arrays, wanted: Arrays) -> float:
    """Return the largest absolute difference, divided by the largest value if that is over 1.

    For integers (labels): the share of elements that differ. Infinite if shapes differ, and where either has
    a number that is not finite: NaN from both is no agreement.
    """
    if [a.shape for a in given] != [a.shape for a in wanted]:
        return float("inf")
    return max(_difference(a, b) for a, b in zip(given, wanted, strict=True))


def _difference(given: np.ndarray, wanted: np.ndarray) -> float:
    if wanted.dtype.kind in "iub":
        return float((given != wanted).mean())
    if not (np.isfinite(given).all() and np.isfinite(wanted).all()):
        return float("inf")
    scale = max(1.0, float(np.abs(wanted).max()))
    return float(np.abs(given - wanted).max()) / scale


def session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """Open a file, or the bytes of a file with its weights, on the CPU.

    With separate weights the optimiser is off: it would keep a float32 copy of every float16 weight.
    """
    options = onnxruntime.SessionOptions()
    if isinstance(model, Path) and len(files_of(model)) > 1:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # errors are raised, so they need not be printed
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_onnx(path: Path, network: Network) -> Iterator[Arrays]:
    """Yield the file's outputs for each sample of CHECKED."""
    opened = session(path)
    for which in CHECKED:
        arrays = (tensor.numpy() for tensor in network.sample(*which))
        names = (name for name, _ in network.inputs)
        yield opened.run(list(network.outputs), dict(zip(names, arrays, strict=True)))


@torch.no_grad()
def _run_torch(network: Network, inputs: tuple[Tensor, ...]) -> Arrays:
    return [tensor.numpy() for tensor in network.module(*inputs)]


def export(network: Network, path: Path) -> None:
    """Write a network as ONNX without a comparison; from EXTERNAL_FROM_BYTES on, weights get their own file.

    The exporter's own optimiser is off: it takes a quarter of the time, and onnxruntime and TensorRT find
    the same patterns when they load the file.
    """
    with warnings.catch_warnings(), quiet("torch.onnx._internal.exporter"), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns about its own code
        program = translated(
            lambda: torch.onnx.export(
                network.module,
                network.sample(*TRACED),
                input_names=[name for name, _ in network.inputs],
                output_names=list(network.outputs),
                dynamic_shapes={"inputs": network.axes},
                custom_translation_table=TRANSLATIONS,
                dynamo=True,
                verbose=False,
                optimize=False,
            )
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
"""The passes of torch's exporter after translation, without its pattern rules."""


def without_traces(program: torch.onnx.ONNXProgram) -> None:
    """Remove each node's metadata, which has stack traces with paths of the exporting machine."""
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()


@contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Silence a logger and its children, except errors."""
    found = logging.getLogger(logger)
    before = found.level
    found.setLevel(logging.ERROR)
    try:
        yield
    finally:
        found.setLevel(before)


@contextmanager
def explained(stage: str, what: str) -> Iterator[None]:
    """Raise any exception of the exporter or the runtime as ExportFailed of the stage."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ExportFailed(f"{stage}: {what}: {reason or type(error).__name__}") from error
