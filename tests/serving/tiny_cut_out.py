"""A third family for the tiny repository: a cut-out network that takes red for the product."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper
from tiny_networks import save
from vitrine_orchestrator.manifest import manifest_text
from vitrine_orchestrator.stages.cut_out import FAMILY, NETWORK

SIDE = 64
ENTRY = {
    "facts": {
        "network": "red",
        "side": SIDE,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "output": "logits",
    },
    "digest": "2" * 64,
    "precision": {},
    "tokens": {},
    "exporter": "tiny",
    "files": {},
}


def add_cut_out(repository: Path) -> Path:
    """Add the family to a repository; returns it."""
    weights = {
        "w": np.array([20.0, -20.0, 0.0], np.float32).reshape(1, 3, 1, 1),
        "b": np.array([-5.0], np.float32),
    }
    node = helper.make_node("Conv", ["image", "w", "b"], ["answer"])
    inputs = {"image": (TensorProto.FLOAT, ["n", 3, SIDE, SIDE])}
    outputs = {"answer": (TensorProto.FLOAT, ["n", 1, SIDE, SIDE])}
    save(repository / NETWORK / "1" / "model.onnx", [node], weights, inputs, outputs)
    (repository / "cut_out" / "1" / "manifest.json").write_text(manifest_text({FAMILY: ENTRY}))
    return repository


def red_disc(
    width: int, height: int, radius: int, ground: tuple[int, int, int] = (40, 90, 160)
) -> np.ndarray:
    """A picture (height, width, 3) of a red disc in the middle, with a soft edge of two pixels."""
    down, across = np.mgrid[:height, :width]
    far = np.hypot(down - (height - 1) / 2, across - (width - 1) / 2)
    share = np.clip((radius - far) / 2 + 0.5, 0, 1)[..., None]
    return np.rint(share * np.array([220, 20, 30]) + (1 - share) * np.array(ground)).astype(np.uint8)
