"""The work of a picture of Z-Image: matrix products at the released size, counted on meta tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from vitrine_export.nets.z_image import ZImageConfig, ZImageNet
from vitrine_export.nets.z_image.rows import MULTIPLE

from vitrine_measure.flops import Line

RELEASED = ZImageConfig()
PIXELS = 16  # per side of a picture token


@dataclass(frozen=True)
class AdFlops:
    """FLOP of one step and of a picture, 2 per multiply-add."""

    step: float
    picture: float


def count_z_image(
    width: int, height: int, steps: int, guidance: float, words: int, config: ZImageConfig = RELEASED
) -> AdFlops:
    """Count a picture of width × height pixels and a caption of `words` tokens.

    Raises ValueError for a size that is no multiple of 16, and for steps or words below 1.
    """
    for name, value, least in (("width", width, PIXELS), ("height", height, PIXELS)):
        if value < least or value % PIXELS:
            raise ValueError(f"{name} must be a positive multiple of {PIXELS}, got {value}")
    for name, value in (("steps", steps), ("words", words)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, got {value}")
    with torch.no_grad():
        with torch.device("meta"):
            net = ZImageNet(config).to("meta")
            inputs = _inputs(config, (width // PIXELS) * (height // PIXELS), words)
        with FlopCounterMode(display=False) as counter:
            net(*inputs)
    step = float(counter.get_total_flops()) * (2 if guidance > 0 else 1)
    return AdFlops(step, steps * step)


def table(width: int, height: int, steps: int, guidance: float, words: int = 64) -> list[Line]:
    """Return the work of one step and of a picture with `words` caption tokens; raises as `count_z_image`."""
    counted = count_z_image(width, height, steps, guidance, words)
    return [
        Line("step", counted.step, f"one step, a caption of {words} tokens"),
        Line("picture", counted.picture, "all steps of the transformer"),
    ]


def _inputs(config: ZImageConfig, picture: int, words: int) -> tuple[Tensor, ...]:
    """Return the inputs of one row of ZImageNet, padded to the native multiples."""
    return (
        *_tokens(picture + -picture % MULTIPLE, config.patch_width),
        *_tokens(words + -words % MULTIPLE, config.cap_feat_dim),
        torch.empty(1),
    )


def _tokens(count: int, width: int) -> tuple[Tensor, ...]:
    """Return tokens, their positions, the mask of pad tokens and the mask of valid tokens."""
    flags = torch.empty(1, count, dtype=torch.bool)
    return torch.empty(1, count, width), torch.empty(1, count, 3, dtype=torch.int64), flags, flags
