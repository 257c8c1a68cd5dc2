"""`vitrine-export onnx`: exports a checkpoint as the ONNX files of a model repository."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from vitrine.errors import BadRequest

from vitrine_export.checkpoint.protocol import AnyCheckpoint
from vitrine_export.exporting.families import FAMILIES, STAGE_NAMES, export_of, open_any
from vitrine_export.exporting.order import Order, work_of

HELP = "write every stage of a checkpoint as ONNX, each file checked against torch"
EXAMPLES = """\
examples:
  vitrine-export onnx --checkpoint checkpoints/paper-doll --out model_repository
  vitrine-export onnx --checkpoint fashn-vton-1.5 --out model_repository
  vitrine-export onnx --checkpoint IDM-VTON --unet IDM-VTON-DC --out model_repository
  vitrine-export onnx --checkpoint IDM-VTON --out model_repository --precision denoise=fp16 vae_decoder=fp16
  vitrine-export onnx --checkpoint IDM-VTON --out model_repository --stages pose densepose

A file is kept only if onnxruntime gives what torch gives, for two batch sizes and two picture sizes. What has
not changed (checkpoint, exporter, options) is not exported again. Inputs and outputs are float32 in any case;
fp16 is what a stage computes in. Files of parsing, DensePose and DWPose are used as they are.
A repository can hold a checkpoint of each family: an export replaces the one of its own family only."""

WITH_PRECISION = tuple(
    dict.fromkeys(row.stage for family in FAMILIES for row in family.recipes if row.has_precision)
)

LARGE_BYTES = 2 * 2**30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        help="folder in the layout of yisol/IDM-VTON, fashn-ai/fashn-vton-1.5, Tongyi-MAI/Z-Image-Turbo, "
        "black-forest-labs/FLUX.1-schnell or openai/clip-vit-large-patch14",
    )
    parser.add_argument("--out", type=Path, required=True, help="model repository to write into")
    parser.add_argument("--unet", type=Path, help="folder whose unet/ replaces the checkpoint's (DressCode)")
    parser.add_argument(
        "--stages", nargs="+", choices=STAGE_NAMES, metavar="STAGE", help="default: the checkpoint's, all"
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        type=_precision,
        metavar="STAGE=fp16",
        default=[],
        help="precision of a stage (default fp32)",
    )
    parser.add_argument(
        "--unet-cond",
        action="store_true",
        help="also write denoise/1/unet_cond.onnx: a step without guidance at half the work, for a second "
        "copy of the weights",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        choices=range(1, 9),
        metavar="N",
        help="files exported at the same time (default: 2; 1 for more than 2 GiB)",
    )


def default_jobs(checkpoint: AnyCheckpoint) -> int:
    """Return 2 processes for two cores, but 1 for a large checkpoint: each process holds a copy."""
    size = sum(path.stat().st_size for _, path in checkpoint.files())
    return 1 if size > LARGE_BYTES else min(2, os.cpu_count() or 1)


def run(args: argparse.Namespace) -> int:
    """Export what has changed and return 0; raises ExportFailed when a stage failed."""
    checkpoint = open_any(args.checkpoint, args.unet)
    stages = tuple(args.stages or export_of(checkpoint.family).stages)
    if wrong := set(stages) - set(export_of(checkpoint.family).stages):
        raise BadRequest(f"--stages: {', '.join(sorted(wrong))}: no stages of {checkpoint.family}")
    order = Order(checkpoint, args.out, stages, dict(args.precision), args.unet_cond)
    return export(order, args.jobs or default_jobs(checkpoint))


def export(order: Order, jobs: int) -> int:
    """Carry out an order in `jobs` processes and return 0; raises BadCheckpoint and ExportFailed."""
    ensure_place(order.repository)
    work = work_of(order)
    for stage in work.foreign:
        print(f"{stage}: its files are of another checkpoint or exporter; export it too")
    if not work.stale:
        print(f"{order.repository}: nothing to do, all {len(work.record.files)} files are as they should be")
        return 0
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a checkpoint is a local folder: nothing is downloaded
    from vitrine_export.exporting.run_export import carry_out  # torch takes seconds to import

    carry_out(work, jobs)
    return 0


def ensure_place(repository: Path) -> None:
    """Raise BadRequest for a repository that cannot be a folder, or into which this user may not write."""
    there = next(path for path in (repository, *repository.absolute().parents) if path.exists())
    if not there.is_dir():
        raise BadRequest(f"--out must be a folder, {there} is a file; name another")
    if not os.access(there, os.W_OK):
        raise BadRequest(f"--out: {there} cannot be written by this user; name another folder, or chmod it")


def _precision(text: str) -> tuple[str, str]:
    """Parse `STAGE=fp16` as a pair."""
    stage, _, value = text.partition("=")
    if stage not in WITH_PRECISION:
        raise argparse.ArgumentTypeError(f"{text}: the stage must be one of {', '.join(WITH_PRECISION)}")
    if value not in ("fp32", "fp16"):
        raise argparse.ArgumentTypeError(
            f"{text}: the precision must be fp32 or fp16, got {value or 'nothing'}"
        )
    return stage, value
