"""Fixtures: paper-doll checkpoints of the exporter."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "export"))

from small_checkpoints import denoise_onnx, own_checkpoint, tiny_checkpoint, unet_configs

__all__ = ["denoise_onnx", "own_checkpoint", "tiny_checkpoint", "unet_configs"]
