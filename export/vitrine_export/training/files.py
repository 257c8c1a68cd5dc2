"""Writes trained networks and settings as files: safetensors, ONNX, JSON."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from vitrine_export.exporting.onnx_file import quiet, without_traces


def write_weights(state: Mapping[str, torch.Tensor], path: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write safetensors with floating tensors in `dtype`, readable by everybody."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        name: (t.to(dtype) if t.is_floating_point() else t).cpu().contiguous() for name, t in state.items()
    }
    save_file(kept, path, metadata={"format": "pt"})
    path.chmod(0o644)


def write_onnx(net: nn.Module, sample: torch.Tensor, path: Path, name: str, outputs: list[str]) -> None:
    """Write a network of one input, free in its first axis; `name` is the input's, `outputs` the others'."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = net.cpu().to(memory_format=torch.contiguous_format).eval()
    with warnings.catch_warnings(), quiet("torch.onnx._internal.exporter"), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns about its own code
        program = torch.onnx.export(
            contiguous,
            (sample,),
            input_names=[name],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            verbose=False,
        )
    without_traces(program)
    program.save(path)


def write_json(value: Any, path: Path) -> None:
    """Write indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
