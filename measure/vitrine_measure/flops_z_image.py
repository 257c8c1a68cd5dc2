"""The work of a picture of Z-Image: matrix products at the released size, counted on meta tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from vitrine_export.checkpoint.ad_layout import LORA_RANK
from vitrine_export.nets.dit.lora_rows import RowLora, Sites
from vitrine_export.nets.z_image import ZImageConfig, ZImageNet
from vitrine_export.nets.z_image.rows import MULTIPLE

from vitrine_measure.flops import Line

RELEASED = ZImageConfig()
PIXELS = 16  # per side of a picture token


@dataclass(frozen=True)
class AdFlops:
    """FLOP of one step and of a picture, 2 per multiply-add; `lora` is a picture's with an adapter."""

    step: float
    picture: float
    lora: float


def count_z_image(
    width: int, height: int, steps: int, guidance: float, words: int, config: ZImageConfig = RELEASED
) -> AdFlops:
    """Count a picture of width × height pixels and a caption of `words` tokens.

    Raises ValueError for a size that is no multiple of 16, and for steps or words below 1.
    """
    refuse_unfit(width, height, steps, words)
    with torch.no_grad(), torch.device("meta"):
        net = ZImageNet(config).to("meta")
        inputs = _inputs(config, (width // PIXELS) * (height // PIXELS), words)
        plain, adapted = (counted(partial(net, *inputs, lora=lora)) for lora in adapters(net.sites))
    rows = 2 if guidance > 0 else 1
    return AdFlops(rows * plain, steps * rows * plain, steps * rows * adapted)


def refuse_unfit(width: int, height: int, steps: int, words: int) -> None:
    """Raise ValueError for a size that is no multiple of 16, and for steps or words below 1."""
    for name, value, least in (("width", width, PIXELS), ("height", height, PIXELS)):
        if value < least or value % PIXELS:
            raise ValueError(f"{name} must be a positive multiple of {PIXELS}, got {value}")
    for name, value in (("steps", steps), ("words", words)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, got {value}")


def table(width: int, height: int, steps: int, guidance: float, words: int = 64) -> list[Line]:
    """Return the work of one step and of a picture with `words` caption tokens; raises as `count_z_image`."""
    return lines(count_z_image(width, height, steps, guidance, words), words)


def lines(found: AdFlops, words: int) -> list[Line]:
    """Return the rows of the table of a family that draws from a caption."""
    more = 100.0 * (found.lora / found.picture - 1.0)
    return [
        Line("step", found.step, f"one step, a caption of {words} tokens"),
        Line("picture", found.picture, "all steps of the transformer"),
        Line("lora", found.lora, f"the same with an adapter of rank {LORA_RANK} by row: {more:.2f} % more"),
    ]


def adapters(sites: Sites, rows: int = 1, rank: int = LORA_RANK) -> tuple[None, RowLora]:
    """Return no adapter, and one of a rank for each row, on the default device."""
    return None, RowLora(torch.empty(rows, rank, sites.inputs), torch.empty(rows, rank, sites.outputs))


def counted(call: Callable[[], object]) -> float:
    """Return the FLOP of a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())


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
