"""The initial weights of the VAE: a linear codec that keeps each 8×8 block's mean colour.

From random weights a narrow VAE learns brightness early and colours late: after 1500 steps of crops the mean
error was still 7 % of the range. Here every residual branch is zero at first, and six channels carry the
colours and their negatives through the whole net. The last activation of encoder and decoder keeps them,
because silu(x) − silu(−x) = x.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import nn

COLOURS = 3
CARRIED = 2 * COLOURS
LOG_VARIANCE = -7.0  # initial log-variance of the posterior, which means little noise


@torch.no_grad()
def start_as_colour_codec(vae: AutoencoderKL) -> None:
    """Set the initial weights of `vae` in place; channels after the first six keep their random weights."""
    for module in vae.modules():
        if hasattr(module, "conv2") and hasattr(module, "norm2"):
            _zero(module.conv2)
        if hasattr(module, "to_out"):
            _zero(module.to_out[0])
    for name, module in vae.named_modules():
        if name.endswith(("downsamplers.0.conv", "upsamplers.0.conv", "conv_shortcut")):
            _carry(module, averaging=name.endswith("downsamplers.0.conv"))
    for conv in (vae.encoder.conv_in, vae.decoder.conv_in):
        _spread(conv)
    for conv in (vae.encoder.conv_out, vae.decoder.conv_out):
        _gather(conv)
    for conv in (vae.quant_conv, vae.post_quant_conv):
        nn.init.dirac_(conv.weight)
        nn.init.zeros_(conv.bias)
    vae.encoder.conv_out.weight[vae.config.latent_channels :] *= 0.1
    vae.encoder.conv_out.bias[vae.config.latent_channels :] = LOG_VARIANCE


def _zero(layer: nn.Conv2d | nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


def _clear(conv: nn.Conv2d, rows: int) -> None:
    conv.weight[:rows] = 0.0
    conv.bias[:rows] = 0.0


def _carry(conv: nn.Conv2d, averaging: bool) -> None:
    """Pass the six carried channels on unchanged; a downsampling convolution averages 2×2 pixels."""
    _clear(conv, CARRIED)
    middle = conv.kernel_size[0] // 2
    for channel in range(CARRIED):
        if averaging:
            conv.weight[channel, channel, :2, :2] = 0.25
        else:
            conv.weight[channel, channel, middle, middle] = 1.0


def _spread(conv: nn.Conv2d) -> None:
    """Write each of the first three input channels into two channels, +colour and −colour."""
    _clear(conv, CARRIED)
    for colour in range(COLOURS):
        conv.weight[colour, colour, 1, 1] = 1.0
        conv.weight[colour + COLOURS, colour, 1, 1] = -1.0


def _gather(conv: nn.Conv2d) -> None:
    """Compute each colour as (channel of +colour − channel of −colour) / 2."""
    _clear(conv, COLOURS)
    for colour in range(COLOURS):
        conv.weight[colour, colour, 1, 1] = 0.5
        conv.weight[colour, colour + COLOURS, 1, 1] = -0.5
