"""Converts the TorchScript file of a DensePose network to ONNX."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch
from vitrine_orchestrator.stages import Stage

from vitrine_export.checkpoint.diagnosis import ensure_present, ensure_real
from vitrine_export.errors import BadCheckpoint, ExportFailed
from vitrine_export.exporting.adopted_onnx import Adopted, Reference, adopt
from vitrine_export.exporting.network import BATCH
from vitrine_export.exporting.onnx_file import explained

CONSTANTS = "/constants.pkl"
"""Only a TorchScript archive has a file of this name."""


def adopt_script(row: Stage, source: Path, repository: Path) -> Adopted:
    """Write a stage's ONNX file from a TorchScript file, or write nothing.

    Raises BadCheckpoint if `source` is no TorchScript file, and ExportFailed if it cannot be converted or if
    the ONNX file gives another result.
    """
    net = _read(source)
    path = repository / row.name / "1" / ".converted.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with explained(row.name, f"{source.name} does not convert; give the network as ONNX"):
            _convert(net, row, path)
        return adopt(row, path, repository, reference=_run_by(net, row))
    finally:
        path.unlink(missing_ok=True)


def check_script(source: Path) -> None:
    """Raise BadCheckpoint for a file that is not of TorchScript, by the names inside it."""
    label = f"densepose/{source.name}"
    ensure_present(source, label)
    ensure_real(source, label)
    try:
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise BadCheckpoint(f"{label} is no TorchScript file, or cut short; fetch it again") from error
    if not any(name.endswith(CONSTANTS) for name in names):
        raise BadCheckpoint(
            f"{label} is no TorchScript file (of torch.save?); docs/checkpoints.md says how to convert the "
            "network once"
        )


def _read(source: Path) -> torch.jit.ScriptModule:
    check_script(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that TorchScript is deprecated, but such files exist
        try:
            return torch.jit.load(source, map_location="cpu").eval()
        except (RuntimeError, ValueError) as error:
            raise BadCheckpoint(f"densepose/{source.name} is no TorchScript file, or cut short") from error


def _convert(net: torch.jit.ScriptModule, row: Stage, path: Path) -> None:
    """Convert with the older exporter: the newer one traces Python code, which a TorchScript file lacks."""
    image, answer = row.inputs[0].name, row.outputs[0].name
    sample = torch.zeros((1, *row.inputs[0].dims), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (sample,),
            path,
            dynamo=False,
            input_names=[image],
            output_names=[answer],
            dynamic_axes={image: {0: BATCH}, answer: {0: BATCH}},
            opset_version=18,
        )


def _run_by(net: torch.jit.ScriptModule, row: Stage) -> Reference:
    def run(picture: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            found = net(torch.from_numpy(picture))
        if not isinstance(found, torch.Tensor):
            raise ExportFailed(
                f"{row.name}: the TorchScript file must give one tensor, gave {type(found).__name__}"
            )
        return [found.numpy()]

    return run
