"""The work of a picture of FLUX.1 dev: matrix products at the released size, counted on meta tensors."""

from __future__ import annotations

from functools import partial

import torch
from vitrine_export.nets.flux import FluxConfig, FluxNet

from vitrine_measure.flops import Line
from vitrine_measure.flops_z_image import PIXELS, AdFlops, adapters, counted, lines, refuse_unfit

RELEASED = FluxConfig(guidance_embeds=True)


def count_flux(width: int, height: int, steps: int, words: int, config: FluxConfig = RELEASED) -> AdFlops:
    """Count a picture of width × height pixels and a prompt padded to `words` tokens of T5.

    Guidance is an input of the network and costs nothing. Raises ValueError for a size that is no multiple
    of 16, and for steps or words below 1.
    """
    refuse_unfit(width, height, steps, words)
    picture = (width // PIXELS) * (height // PIXELS)
    with torch.no_grad(), torch.device("meta"):
        net = FluxNet(config).to("meta")
        inputs = (
            torch.empty(1, picture, config.in_channels),
            torch.empty(1, picture, 3, dtype=torch.int64),
            torch.empty(1, picture, dtype=torch.bool),
            torch.empty(1, words, config.joint_attention_dim),
            torch.empty(1, words, dtype=torch.bool),
            torch.empty(1, config.pooled_projection_dim),
            torch.empty(1),
            torch.empty(1) if config.guidance_embeds else None,
        )
        plain, adapted = (counted(partial(net, *inputs, lora=lora)) for lora in adapters(net.sites))
    return AdFlops(plain, steps * plain, steps * adapted)


def table(width: int, height: int, steps: int, guidance: float, words: int = 512) -> list[Line]:
    """Return the work of one step and of a picture with `words` prompt tokens; raises as `count_flux`."""
    return lines(count_flux(width, height, steps, words), words)
