"""The sizes of a FASHN VTON network, read from a dict or from weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vitrine_export.errors import BadCheckpoint

# config key of the released code → the only supported value
FIXED: Mapping[str, object] = {"channels_in": 3, "qkv_bias": True, "use_patch_mixer": True}


@dataclass(frozen=True)
class FashnConfig:
    """Sizes; the defaults are those of the released weights (model card of fashn-ai/fashn-vton-1.5)."""

    height: int = 864  # of the canvas, in px: a multiple of `patch`
    width: int = 576
    hidden: int = 1280
    heads: int = 10
    double_blocks: int = 8
    single_blocks: int = 16
    mixers: int = 4
    mlp_ratio: int = 4
    patch: int = 12
    theta: int = 10000  # base of the rotary frequencies
    axes: tuple[int, ...] = (16, 56, 56)  # rotary dims of (unused, row, column), together a head's width
    categories: int = 3  # not counting the null category 0

    def __post_init__(self) -> None:
        """Raise BadCheckpoint, with rule and value, for impossible sizes."""
        if self.height % self.patch or self.width % self.patch:
            raise BadCheckpoint(
                f"canvas must be a multiple of patch {self.patch}, got {self.width}x{self.height}"
            )
        if self.hidden % self.heads:
            raise BadCheckpoint(f"hidden_size must be a multiple of n_heads {self.heads}, got {self.hidden}")
        if (
            len(self.axes) != 3
            or sum(self.axes) != self.hidden // self.heads
            or any(a % 2 for a in self.axes)
        ):
            raise BadCheckpoint(
                f"axes_dim must be three even numbers of sum {self.hidden // self.heads}, got {self.axes}"
            )

    @property
    def rows(self) -> int:
        """Patches from top to bottom."""
        return self.height // self.patch

    @property
    def columns(self) -> int:
        """Patches from left to right."""
        return self.width // self.patch

    @property
    def tokens(self) -> int:
        """Tokens of one stream: one per patch."""
        return self.rows * self.columns

    @classmethod
    def from_released(cls, arguments: Mapping[str, Any]) -> FashnConfig:
        """Read the released code's constructor arguments. Raises BadCheckpoint for unknown ones."""
        unknown = arguments.keys() - _RELEASED.keys() - FIXED.keys() - {"input_shape"}
        if unknown:
            raise BadCheckpoint(f"unknown config keys {sorted(unknown)}")
        for key, value in FIXED.items():
            if arguments.get(key, value) != value:
                raise BadCheckpoint(f"{key} must be {value}, got {arguments[key]}")
        found = {ours: arguments[theirs] for theirs, ours in _RELEASED.items() if theirs in arguments}
        if "input_shape" in arguments:
            found["height"], found["width"] = arguments["input_shape"]
        if "axes" in found:
            found["axes"] = tuple(found["axes"])
        return cls(**found)

    @classmethod
    def from_weights(cls, state: Mapping[str, Tensor], **known: Any) -> FashnConfig:
        """Read depths and widths from the weights; canvas, heads and axes must be `known`."""
        patches = state["x_embedder.proj.weight"]
        return cls(
            hidden=patches.shape[0],
            patch=patches.shape[-1],
            categories=state["y_embedder.weight"].shape[0] - 1,
            mlp_ratio=state["double_blocks.0.img_mlp.0.weight"].shape[0] // patches.shape[0],
            double_blocks=_depth(state, "double_blocks"),
            single_blocks=_depth(state, "single_blocks"),
            mixers=_depth(state, "x_patch_mixer"),
            **known,
        )


_RELEASED = {
    "hidden_size": "hidden",
    "n_heads": "heads",
    "double_blocks_depth": "double_blocks",
    "single_blocks_depth": "single_blocks",
    "patch_mixer_depth": "mixers",
    "mlp_ratio": "mlp_ratio",
    "patch_size": "patch",
    "theta": "theta",
    "axes_dim": "axes",
    "n_classes": "categories",
}


def _depth(state: Mapping[str, Tensor], blocks: str) -> int:
    numbers = [int(found[1]) for key in state if (found := re.match(rf"{blocks}\.(\d+)\.", key))]
    return max(numbers, default=-1) + 1
