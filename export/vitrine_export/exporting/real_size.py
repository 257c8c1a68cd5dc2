"""`vitrine-export real-size`: the export of a family's networks at the released size, with random weights.

Shows the time and memory that the export of a real checkpoint takes on this machine, without the checkpoint.
Each part runs in its own process, so that its peak memory is measured alone and released for the next part.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from vitrine.errors import BadRequest

from vitrine_export.errors import ExportFailed
from vitrine_export.exporting import real_size_z_image
from vitrine_export.exporting.denoise import graphs_of
from vitrine_export.exporting.network import TRACED, Network
from vitrine_export.exporting.onnx_file import difference, export, files_of, session
from vitrine_export.nets import build_garment, build_tryon
from vitrine_export.nets.random_weights import filled
from vitrine_export.nets.released import GARMENT, TRYON

HELP = "try the export of a family's networks at real size, with random weights: time, memory, files"
EXAMPLES = """\
examples:
  vitrine-export real-size --out build/real-size
  vitrine-export real-size --family z-image --out build/real-size

idm-vton: GarmentNet and TryonNet in fp16; about 20 GB of disk and 16 GB of memory, and an hour on two cores.
z-image: the whole transformer in bf16, which is exported and its file checked, but not run (onnxruntime has
no bf16 on the CPU), and one of its blocks in fp32, which is run; about 14 GB of disk and 17 GB of memory."""


@dataclass(frozen=True)
class Figures:
    """The cost of one part of the trial; for the run in onnxruntime also the difference from torch."""

    graph: str
    part: str  # one of PARTS
    seconds: float
    peak_bytes: int
    file_bytes: int = 0
    worst: float = 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the files; an old trial is replaced"
    )
    parser.add_argument(
        "--family", choices=FAMILIES, default="idm-vton", help="family of networks (default idm-vton)"
    )
    parser.add_argument(
        "--graphs", nargs="+", choices=GRAPHS, help="graphs to export (default: all of the family)"
    )
    parser.add_argument("--part", choices=PARTS, help="run one part of one graph in this process")


def run(args: argparse.Namespace) -> int:
    """Export and run each graph; print a line of figures per part.

    Raises BadRequest for a graph of another family, and ExportFailed if a part's process dies.
    """
    graphs = FAMILIES[args.family]
    if wrong := set(args.graphs or ()) - set(graphs):
        known, got = ", ".join(graphs), ", ".join(sorted(wrong))
        raise BadRequest(f"graphs of {args.family} must be of {known}, got {got}")
    if args.part:
        print(json.dumps(asdict(PARTS[args.part](args.graphs[0], args.out))))
        return 0
    shutil.rmtree(args.out, ignore_errors=True)
    for graph in args.graphs or graphs:
        for part in graphs[graph].parts:
            print(line(_in_a_process(args.family, graph, part, args.out)), flush=True)
    return 0


def line(figures: Figures) -> str:
    """Format the figures as one line."""
    parts = [f"{figures.graph:12} {figures.part:11} {figures.seconds:7.1f} s"]
    parts.append(f"peak {figures.peak_bytes / 2**30:5.2f} GiB")
    if figures.file_bytes:
        parts.append(f"file {figures.file_bytes / 2**30:5.2f} GiB")
    if figures.part == "onnxruntime":
        parts.append(f"{figures.worst:.1e} from torch")
    return " · ".join(parts)


def _in_a_process(family: str, graph: str, part: str, out: Path) -> Figures:
    words = ["real-size", "--family", family, "--out", str(out), "--graphs", graph, "--part", part]
    code = "import sys; from vitrine_export.command import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise ExportFailed(f"{graph}: the part {part} ended with {done.returncode} (-9: out of memory)")
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def export_part(graph: str, out: Path) -> Figures:
    """Write the ONNX file."""
    network, started = _network(graph), time.perf_counter()
    path = out / f"{graph}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    export(network, path)
    seconds = time.perf_counter() - started
    return Figures(graph, "export", seconds, _peak(), sum(file.stat().st_size for file in files_of(path)))


@torch.no_grad()
def torch_part(graph: str, out: Path) -> Figures:
    """Run the sample in torch and save its inputs and outputs."""
    network = _network(graph)
    inputs = network.sample(*TRACED)
    started = time.perf_counter()
    outputs = network.module(*inputs)
    seconds = time.perf_counter() - started
    arrays = {f"in_{index:02}": tensor.numpy() for index, tensor in enumerate(inputs)}
    arrays |= {f"out_{index:02}": tensor.numpy() for index, tensor in enumerate(outputs)}
    np.savez(out / f"{graph}.npz", **arrays)
    return Figures(graph, "torch", seconds, _peak())


def onnx_part(graph: str, out: Path) -> Figures:
    """Run the same sample in onnxruntime."""
    with np.load(out / f"{graph}.npz") as kept:
        given, wanted = (
            [kept[key] for key in kept.files if key.startswith(kind)] for kind in ("in_", "out_")
        )
    opened = session(out / f"{graph}.onnx")
    started = time.perf_counter()
    outputs = opened.run(None, dict(zip((i.name for i in opened.get_inputs()), given, strict=True)))
    seconds = time.perf_counter() - started
    return Figures(graph, "onnxruntime", seconds, _peak(), worst=difference(outputs, wanted))


def checker_part(graph: str, out: Path) -> Figures:
    """Check the written graph by ONNX's own rules, and that every tensor lies inside the file of weights."""
    path, started = out / f"{graph}.onnx", time.perf_counter()
    onnx.checker.check_model(str(path))
    model = onnx.load(str(path), load_external_data=False)
    sizes: dict[str, int] = {}
    for tensor in model.graph.initializer:
        kept = {entry.key: entry.value for entry in tensor.external_data}
        if kept:
            size = sizes.setdefault(kept["location"], (out / kept["location"]).stat().st_size)
            if int(kept["offset"]) + int(kept["length"]) > size:
                raise ExportFailed(f"{graph}: {tensor.name} ends after its file of {size} bytes")
    seconds = time.perf_counter() - started
    return Figures(graph, "checker", seconds, _peak(), sum(file.stat().st_size for file in files_of(path)))


PARTS = {
    "export": export_part,
    "checker": checker_part,
    "torch": torch_part,
    "onnxruntime": onnx_part,
}


@dataclass(frozen=True)
class Trial:
    """A graph with random weights, and the parts of its trial."""

    network: Callable[[], Network]
    parts: tuple[str, ...] = ("export", "torch", "onnxruntime")


def _try_on(graph: str) -> Network:
    """Return a graph of random UNets of the released size; every process draws the same weights."""
    with torch.device("meta"):
        tryon, garment = build_tryon(TRYON).half(), build_garment(GARMENT).half()
    tryon, garment = filled(tryon, seed=0), filled(garment, seed=1)
    return next(
        n for n in graphs_of(tryon, garment, torch.float16, cond=False) if n.file.endswith(f"/{graph}.onnx")
    )


FAMILIES: Mapping[str, Mapping[str, Trial]] = {
    "idm-vton": {name: Trial(partial(_try_on, name)) for name in ("garment", "conditioning", "unet")},
    "z-image": {
        "block": Trial(real_size_z_image.block),
        "transformer": Trial(real_size_z_image.transformer, ("export", "checker")),
    },
}
GRAPHS = {name: trial for family in FAMILIES.values() for name, trial in family.items()}


def _network(graph: str) -> Network:
    return GRAPHS[graph].network()


def _peak() -> int:
    """Return this process's peak resident size in bytes (Linux reports KiB)."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
