"""Does the work of an export: one stage after another, what was learnt of each told as it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm
from vitrine_orchestrator.stages import stage as stage_row

from vitrine_export.checkpoint import Checkpoint
from vitrine_export.errors import ExportFailed
from vitrine_export.exporting import denoise
from vitrine_export.exporting.adopt import Adopted, adopt
from vitrine_export.exporting.onnx_file import Proof, files_of, remove, write
from vitrine_export.exporting.order import AS_THEY_ARE, Order, Work
from vitrine_export.exporting.record import write_manifest
from vitrine_export.exporting.tokenizers import FILES as TOKENIZER_FILES
from vitrine_export.exporting.tokenizers import write_tokenizers
from vitrine_export.exporting.torchscript import adopt_script
from vitrine_export.exporting.wrappers import BUILDERS, NEEDS

DTYPES = {"fp32": torch.float32, "fp16": torch.float16}


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


def carry_out(work: Work) -> None:
    """Export every stale stage; the manifest tells of each as soon as it is done, so that a stop loses one.

    A stage that fails leaves no file and does not stop the others. Raises BadCheckpoint before anything is
    written where a network does not fit, ExportFailed at the end where a stage failed.
    """
    order, record = work.order, work.record
    _check(order.checkpoint, work.stale)
    failures = []
    with tqdm(work.stale, unit="stage", desc="export") as bar:
        for stage in bar:
            bar.set_postfix_str(stage)
            record.forget(stage)
            try:
                paths = _stage(order, work, stage, bar.write)
            except ExportFailed as failure:
                failures.append(str(failure))
                bar.write(str(failure))
                for file in order.files_of(stage):  # half of a set of graphs is none
                    remove(order.repository / file)
            else:
                record.add(stage, order.precision_of(stage), paths, order.repository)
            write_manifest(order.repository, order.checkpoint, record)
    if failures:
        raise ExportFailed("; ".join(failures))


def _check(checkpoint: Checkpoint, stages: tuple[str, ...]) -> None:
    """Refuse a checkpoint before minutes go into the stages that it does have right."""
    checkpoint.verify(dict.fromkeys(name for stage in stages for name in NEEDS.get(stage, ())))
    for stage in AS_THEY_ARE:
        if stage in stages:
            _source(checkpoint, stage)


def _source(checkpoint: Checkpoint, stage: str) -> Path:
    return checkpoint.densepose() if stage == "densepose" else checkpoint.parsing(stage)


def _stage(order: Order, work: Work, stage: str, say: Callable[[str], None]) -> list[Path]:
    """Export one stage; the paths of its files."""
    if stage == "prepare_text":
        work.record.tokens = write_tokenizers(order.checkpoint, order.repository)
        return [order.repository / file for file in TOKENIZER_FILES.values()]
    written = []
    for done in _graphs(order, stage):
        say(str(done))
        written += files_of(order.repository / done.file)
    return written


def _graphs(order: Order, stage: str) -> Iterator[Done]:
    """The stage's ONNX files, one after the other."""
    dtype = DTYPES[order.precision_of(stage)]
    if stage in AS_THEY_ARE:
        yield _adopted(order, stage)
        return
    if stage == "denoise":
        made = denoise.networks(order.checkpoint, dtype, order.cond)
    else:
        made = [BUILDERS[stage](stage_row(stage), order.checkpoint, dtype)]
    for network in made:
        yield Done(network.file, write(stage, network, order.repository))


def _adopted(order: Order, stage: str) -> Done:
    source, row = _source(order.checkpoint, stage), stage_row(stage)
    taken: Adopted = (adopt if source.suffix == ".onnx" else adopt_script)(row, source, order.repository)
    note = " · one picture at a time, looped" if taken.looped else ""
    return Done(order.files_of(stage)[0], taken.proof, source.name, note)
