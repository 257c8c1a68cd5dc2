"""The files of one stage: made from the checkpoint, each proved. What a worker process runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitrine_orchestrator.stages import stage as stage_row

from vitrine_export.checkpoint import Checkpoint
from vitrine_export.device import DTYPES
from vitrine_export.exporting import denoise
from vitrine_export.exporting.adopt import Adopted, adopt
from vitrine_export.exporting.network import Network
from vitrine_export.exporting.onnx_file import Proof, write
from vitrine_export.exporting.order import AS_THEY_ARE, COND_FILE, Order
from vitrine_export.exporting.torchscript import adopt_script
from vitrine_export.exporting.wrappers import BUILDERS


@dataclass(frozen=True)
class Done:
    """One file: its path in the repository, how far it is from torch, and what is to be said of it."""

    file: str
    proof: Proof
    judge: str = "torch"
    note: str = ""

    def __str__(self) -> str:
        proof = self.proof
        return (
            f"{self.file:34} {proof.worst:.1e} from {self.judge}, allowed {proof.allowed:.0e} · "
            f"{proof.size_bytes / 2**20:7.1f} MiB · {proof.seconds:5.1f} s{self.note}"
        )


def export_files(order: Order, stage: str, files: tuple[str, ...]) -> list[Done]:
    """Export these ONNX files of a stage. Raises ExportFailed at the first that fails, BadCheckpoint."""
    if stage in AS_THEY_ARE:
        return [_adopted(order, stage)]
    return [
        Done(network.file, write(stage, network, order.repository))
        for network in _networks(order, stage)
        if network.file in files
    ]


def source_of(checkpoint: Checkpoint, stage: str) -> Path:
    """The checkpoint's own file of a stage that comes as one."""
    return checkpoint.densepose() if stage == "densepose" else checkpoint.parsing(stage)


def _networks(order: Order, stage: str) -> Iterator[Network]:
    dtype = DTYPES[order.precision_of(stage)]
    if stage == "denoise":
        yield from denoise.networks(order.checkpoint, dtype, COND_FILE in order.files_of(stage))
    else:
        yield BUILDERS[stage](stage_row(stage), order.checkpoint, dtype)


def _adopted(order: Order, stage: str) -> Done:
    source, row = source_of(order.checkpoint, stage), stage_row(stage)
    taken: Adopted = (adopt if source.suffix == ".onnx" else adopt_script)(row, source, order.repository)
    note = " · one picture at a time, looped" if taken.looped else ""
    return Done(order.files_of(stage)[0], taken.proof, source.name, note)
