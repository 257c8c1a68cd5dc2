"""`vitrine-export ads`: an advertising checkpoint's networks as ONNX files, each compared with torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.checkpoint.ads import open_ads
from vitrine_export.exporting.ad_networks import ad_networks
from vitrine_export.exporting.onnx_file import write

HELP = "Write the networks of a Z-Image or FLUX.1 checkpoint as float32 ONNX files, each compared with torch."

MOST_RANK = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="a folder in diffusers' layout")
    parser.add_argument("--out", type=Path, required=True, help="folder of the files: NAME/1/model.onnx")
    parser.add_argument("--lora-rank", type=_rank, default=LORA_RANK, help="rank of a LoRA slot (default 16)")


def run(args: argparse.Namespace) -> int:
    """Write every file and return 0. Raises BadCheckpoint and ExportFailed."""
    for name, network in ad_networks(open_ads(args.checkpoint), args.lora_rank):
        proof = write(name, network, args.out)
        size = proof.size_bytes / 1e6
        print(
            f"{name}: {size:.1f} MB, {proof.worst:.1e} from torch (at most {proof.allowed:.0e}), "
            f"{proof.seconds:.0f} s"
        )
        sys.stdout.flush()
    return 0


def _rank(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_RANK:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_RANK}, got {text}")
    return int(text)
