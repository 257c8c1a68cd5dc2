"""The paper-doll checkpoints of small_checkpoints.py, as fixtures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from small_checkpoints import denoise_onnx, own_checkpoint, tiny_checkpoint, unet_configs

__all__ = ["denoise_onnx", "own_checkpoint", "tiny_checkpoint", "unet_configs"]
