"""`vitrine-export cut-out`: an ONNX file of a cut-out network → a model repository."""

from __future__ import annotations

import argparse
from pathlib import Path

from vitrine_export.checkpoint.cut_out import open_cut_out
from vitrine_export.checkpoint.cut_out_networks import NAMES
from vitrine_export.exporting.command import export
from vitrine_export.exporting.order import Order

HELP = "adopt an ONNX file of a cut-out network (U²-Net, IS-Net, BiRefNet) into a model repository"
EXAMPLES = """\
examples:
  vitrine-export cut-out --file u2netp.onnx --out model_repository
  vitrine-export cut-out --file my-birefnet.onnx --network birefnet --out model_repository

A released file is known by its digest; for another one, say which network it is. The names of its tensors
are read from the file, its weights and nodes do not change. It is kept only if it gives the same in a batch
as for one picture."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--file", type=Path, required=True, help="the ONNX file")
    parser.add_argument("--out", type=Path, required=True, help="model repository to write into")
    parser.add_argument("--network", choices=NAMES, help="what the file is, if its digest is not known")


def run(args: argparse.Namespace) -> int:
    """Adopt the file and return 0. Raises BadCheckpoint and ExportFailed."""
    return export(Order(open_cut_out(args.file, network=args.network), args.out), jobs=1)
