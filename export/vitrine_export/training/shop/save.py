"""The shop's trained networks as files of a checkpoint folder."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from vitrine_world import shop

from vitrine_export.errors import BadCheckpoint
from vitrine_export.exporting.onnx_file import quiet, without_traces
from vitrine_export.shop_nets import Checker

CHECKER_FILE = Path("checker") / "model.safetensors"
CUT_OUT_FILE = Path("cut_out") / "u2net.onnx"


def save_checker(net: Checker, folder: Path) -> None:
    """Write the checker in float16."""
    path = folder / CHECKER_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    state = net.state_dict()
    halves = {key: (t.half() if t.is_floating_point() else t).cpu().contiguous() for key, t in state.items()}
    save_file(halves, path, metadata={"format": "pt"})
    path.chmod(0o644)


def open_checker(folder: Path) -> Checker:
    """Load a folder's checker, in float32. Raises BadCheckpoint if it is missing or damaged."""
    path = folder / CHECKER_FILE
    if not path.exists():
        raise BadCheckpoint(f"{path} must hold the checker; vitrine-export train --stages shop_checkers")
    net = Checker()
    try:
        net.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise BadCheckpoint(f"{path} must hold the weights of a Checker: {error}") from error
    return net.eval()


def save_cut_out(net: torch.nn.Module, folder: Path) -> None:
    """Write U²-Net as ONNX in the released file's form: normalised pictures in, the fused alpha out."""
    path = folder / CUT_OUT_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    net = Fused(net.cpu().to(memory_format=torch.contiguous_format)).eval()
    with warnings.catch_warnings(), quiet("torch.onnx._internal.exporter"), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns about its own code
        program = torch.onnx.export(
            net,
            (torch.zeros(2, 3, shop.SIZE, shop.SIZE),),
            input_names=["input.1"],
            output_names=["alpha"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    without_traces(program)
    program.save(path)


def cut_out_file(folder: Path) -> Path:
    """Return the path of a folder's U²-Net. Raises BadCheckpoint if it is missing."""
    path = folder / CUT_OUT_FILE
    if not path.exists():
        raise BadCheckpoint(f"{path} must hold U²-Net; vitrine-export train --stages shop_cut_out")
    return path


class Fused(torch.nn.Module):
    """U²-Net with its first answer only."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.net(picture)[0]
