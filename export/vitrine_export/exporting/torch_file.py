"""Writes the denoise engine's graphs as torch programs: compared with torch, then moved into place."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch._inductor import aoti_compile_and_package
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind
from vitrine_orchestrator.try_on.engine.torch_engine import ABOUT, PROGRAMS, UNGUIDED, open_program

from vitrine_export.errors import ExportFailed
from vitrine_export.exporting.network import Network
from vitrine_export.exporting.onnx_file import HALF_TOLERANCE, Proof, difference, drafts, explained, quiet

TOLERANCES = {torch.float32: 1e-4, torch.float16: HALF_TOLERANCE, torch.bfloat16: 5e-2}
"""Allowed differences as a share of the largest value. bfloat16 has three bits less than float16. Programs
that are not compiled equal eager torch to the bit."""

ROWS = (2, 1)
"""Rows of the two samples that are checked; the first one is also traced."""

NAMES = (*PROGRAMS, UNGUIDED)


@dataclass(frozen=True)
class ProgramSet:
    """The programs that are written together: networks, their one latent (height, width), and options."""

    networks: Sequence[Network]
    latent_size: tuple[int, int]
    compiled: bool = False


def write_all(ordered: ProgramSet, folder: Path, report: Callable[[str, Proof], None]) -> None:
    """Write NAME.pt2 of every network into `folder`, all or none; calls `report` after each comparison.

    Raises ExportFailed if a network cannot be exported, does not run, or differs from eager torch by more
    than `TOLERANCES` on a sample. Then earlier programs in the folder stay; otherwise they are replaced.
    """
    made = {f"{Path(network.file).stem}.pt2": network for network in ordered.networks}
    with drafts(folder / "denoise.pt2") as draft:
        for name, network in made.items():
            report(name, _write(network, draft.with_name(name), ordered))
        height, width = ordered.latent_size
        draft.with_name(ABOUT).write_text(json.dumps({"latent_height": height, "latent_width": width}) + "\n")
    for name in NAMES:
        if f"{name}.pt2" not in made:
            (folder / f"{name}.pt2").unlink(missing_ok=True)


def _write(network: Network, path: Path, ordered: ProgramSet) -> Proof:
    started = time.perf_counter()
    device = str(next(network.module.parameters()).device)
    samples = [network.sample(rows, ordered.latent_size) for rows in ROWS]
    with explained(path.stem, "torch.export cannot export it"):
        program = exported(network, samples[0])
    with explained(path.stem, "it cannot be compiled" if ordered.compiled else "it cannot be written"):
        (compile_into if ordered.compiled else torch.export.save)(program, path)
    with explained(path.stem, "the program does not run"):
        opened = open_program(path, device)
        worst = max(difference(_run(opened, inputs), _run(network.module, inputs)) for inputs in samples)
    allowed = TOLERANCES[network.module.dtype]
    if not worst <= allowed:  # so that NaN fails
        raise ExportFailed(f"{path.stem}: the program is {worst:.1e} from torch, allowed {allowed:.0e}")
    return Proof(worst, allowed, path.stat().st_size, time.perf_counter() - started)


def exported(network: Network, sample: tuple[Tensor, ...]) -> ExportedProgram:
    """Export the network for any number of rows of the sample's size, with the weights that it reads."""
    rows = tuple({0: Dim.DYNAMIC} for _ in sample)
    with warnings.catch_warnings(), quiet("torch"), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns about its own code
        program = torch.export.export(network.module, sample, dynamic_shapes={"inputs": rows})
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it contains paths of the exporting machine
    _drop_unread(program)
    return program


def _drop_unread(program: ExportedProgram) -> None:
    """Remove parameters that the graph does not read, because all graphs share the pair of nets."""
    places = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    unread = [
        spec
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.PARAMETER and not places[spec.arg.name].users
    ]
    for spec in unread:
        program.graph_signature.input_specs.remove(spec)
        program.graph.erase_node(places[spec.arg.name])
        program.state_dict.pop(spec.target)
    program.graph_module.recompile()
    program.validate()


def compile_into(program: ExportedProgram, path: Path) -> None:
    """Compile a program with AOTInductor for the program's device on this kind of machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aoti_compile_and_package(program, package_path=str(path))


@torch.no_grad()
def _run(graph: Callable[..., Tensor | tuple[Tensor, ...]], inputs: tuple[Tensor, ...]) -> list[np.ndarray]:
    made = graph(*inputs)
    return [t.float().cpu().numpy() for t in (made if isinstance(made, tuple | list) else (made,))]
