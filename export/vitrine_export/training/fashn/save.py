"""The trained network as a checkpoint folder in the released layout, in bfloat16."""

from __future__ import annotations

from pathlib import Path

import torch

from vitrine_export.checkpoint.fashn import WEIGHTS
from vitrine_export.checkpoint.layout import SETTINGS_FILE
from vitrine_export.nets.fashn import FashnNet
from vitrine_export.training.fashn.recipe import SETTINGS
from vitrine_export.training.files import write_json, write_weights


def save_fashn(net: FashnNet, folder: Path) -> None:
    """Write weights under the released names, and the settings that weights do not show."""
    write_weights(net.state_dict(), folder / WEIGHTS, torch.bfloat16)
    write_json(SETTINGS, folder / SETTINGS_FILE)
