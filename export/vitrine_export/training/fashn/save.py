"""The trained network as a checkpoint folder in the released layout, in bfloat16."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from vitrine_export.checkpoint.fashn import WEIGHTS
from vitrine_export.checkpoint.layout import SETTINGS_FILE
from vitrine_export.nets.fashn import FashnNet
from vitrine_export.training.fashn.recipe import SETTINGS


def save_fashn(net: FashnNet, folder: Path) -> None:
    """Write weights under the released names, and the settings that weights do not show."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: one.to("cpu", torch.bfloat16).contiguous() for name, one in net.state_dict().items()}
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)
    (folder / SETTINGS_FILE).write_text(json.dumps(SETTINGS, indent=2) + "\n", encoding="utf-8")
