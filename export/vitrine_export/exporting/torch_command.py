"""`vitrine-export torch`: exports the denoise engine as torch programs, in place of its ONNX files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from vitrine_export.checkpoint import open_checkpoint
from vitrine_export.sizes import picture_size

if TYPE_CHECKING:
    from vitrine_export.exporting.onnx_file import Proof

HELP = "write a checkpoint's denoise programs for the torch engine, each checked against eager torch"
EXAMPLES = """\
examples:
  vitrine-export torch --checkpoint checkpoints/paper-doll --out build/denoise
  vitrine-export torch --checkpoint IDM-VTON --out build/denoise --device cuda:0 --dtype bf16 --unet-cond
  vitrine-export torch --checkpoint IDM-VTON --out build/denoise --device cuda:0 --dtype bf16 --compile

Writes garment.pt2, conditioning.pt2, unet.pt2 and, asked for, unet_cond.pt2: all of them or none. They take
any number of rows of one picture size. Programs run on any device; with --compile (AOTInductor, needs a C++
compiler) on the kind that they were compiled on. The engine takes a folder for torch's where it has unet.pt2
and no unet.onnx. Host arrays are float32 in any case; --dtype is that of weights, activations and of the rows
that stay on the device. Not run on CUDA yet."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--checkpoint", type=Path, required=True, help="folder in the layout of yisol/IDM-VTON"
    )
    parser.add_argument("--unet", type=Path, help="folder whose unet/ replaces the checkpoint's (DressCode)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument(
        "--size", type=picture_size, metavar="WxH", help="picture in pixels (default: the checkpoint's)"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N, for tracing and proof (default cpu)")
    parser.add_argument(
        "--dtype", choices=("fp32", "bf16", "fp16"), default="fp32", help="precision (default fp32)"
    )
    parser.add_argument(
        "--unet-cond", action="store_true", help="also export a step without guidance, which is half the work"
    )
    parser.add_argument(
        "--compile", action="store_true", help="write AOTInductor packages instead of programs"
    )


def run(args: argparse.Namespace) -> int:
    """Write all programs; return 0. Raises BadCheckpoint, ExportFailed, BadRequest or Unavailable."""
    checkpoint = open_checkpoint(args.checkpoint, args.unet)
    from vitrine_export.device import DTYPES, device_of  # torch takes seconds to import
    from vitrine_export.exporting.denoise import graphs_of
    from vitrine_export.exporting.stage_files import Done
    from vitrine_export.exporting.torch_file import ProgramSet, write_all
    from vitrine_export.job_inputs import LATENT_FACTOR

    device, dtype = device_of(args.device), DTYPES[args.dtype]
    checkpoint.verify(("unet", "unet_encoder"))
    pair = checkpoint.tryon(dtype).to(device), checkpoint.garment(dtype).to(device)
    networks = graphs_of(*pair, dtype, args.unet_cond, kept=dtype)
    width, height = args.size or (checkpoint.settings.width, checkpoint.settings.height)
    ordered = ProgramSet(networks, (height // LATENT_FACTOR, width // LATENT_FACTOR), args.compile)
    with tqdm(total=len(networks), unit="program", desc="export") as bar:

        def report(name: str, proof: Proof) -> None:
            bar.write(str(Done(name, proof)))
            bar.update()

        write_all(ordered, args.out, report)
    return 0
