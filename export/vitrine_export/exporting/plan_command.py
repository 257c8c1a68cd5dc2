"""`vitrine-export plan`: builds TensorRT engines from the ONNX files of a model repository."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from vitrine_export.errors import ExportFailed
from vitrine_export.exporting import plan
from vitrine_export.exporting.families import STAGE_NAMES

HELP = "build TensorRT engines from the ONNX files of a model repository, on the GPU that will run them"
EXAMPLES = """\
examples:
  vitrine-export plan --repository model_repository
  vitrine-export plan --repository model_repository --stages denoise vae_decoder --out engines

An engine belongs to one GPU and one TensorRT version, so both are in its name:
unet.NVIDIA_H200.trt11.4.0.plan. Precision is what the ONNX graph computes in (vitrine-export onnx --precision
STAGE=fp16). The shapes that an engine takes come from the stage table. An engine newer than its graph is
left alone."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--repository", type=Path, required=True, help="repository that vitrine-export onnx wrote"
    )
    parser.add_argument("--out", type=Path, help="folder for the engines (default: next to their graphs)")
    parser.add_argument(
        "--stages",
        nargs="+",
        choices=STAGE_NAMES,
        metavar="STAGE",
        default=list(STAGE_NAMES),
        help="stages whose engines are built (default: all)",
    )


def run(args: argparse.Namespace) -> int:
    """Build the missing engines and return 0. Raises Unavailable without TensorRT or a GPU."""
    trt, gpu = plan.tensorrt(), plan.gpu_name()
    files = plan.onnx_files(args.repository, tuple(args.stages))
    if not files:
        raise ExportFailed(
            f"{args.repository} has no ONNX file of these stages: run vitrine-export onnx first"
        )
    for graph in tqdm(files, unit="engine"):
        source = graph.path
        target = plan.engine_path(source, args.repository, args.out or args.repository, gpu, trt.__version__)
        if target.is_file() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        plan.build(trt, source, plan.ranges(graph), target)
        tqdm.write(str(target))
    return 0
