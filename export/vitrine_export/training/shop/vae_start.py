"""The initial weights of the shop's VAE: an encoder that keeps the principal components of 8×8 blocks.

Sixteen channels carry more than the mean colours that `training/vae_start.py` keeps. Every residual branch is
zero at first. Each of three convolutions joins 2×2 places and keeps principal components. The decoder starts
with the blocks' mean colours. A signal passes the last activation as a pair of channels, because
silu(x) − silu(−x) = x, and constants in each group of the last norm keep its divisor nearly the same for all
pictures.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

from vitrine_export.training.components import principal_components
from vitrine_export.training.vae_start import COLOURS, LOG_VARIANCE

LEVEL = 4.0
"""Size of a constant, next to signals of standard deviation 1."""
CONSTANTS = 4
"""Constant channels in each group of the encoder's last norm, half of them negative."""
KEPT = 0.75
"""The share of a stage's channels that components take at first."""
QUIET = 0.3
"""The scale of the random channels beside them."""
PAIRED = 2 * COLOURS
"""The decoder's channels of +colour and −colour; a constant and its negative follow."""


@torch.no_grad()
def start_as_block_codec(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Set the initial weights of `vae` in place; the components are those of pictures (N, 3, H, W)."""
    for module in vae.modules():
        if hasattr(module, "conv2") and hasattr(module, "norm2"):
            _clear(module.conv2)
        if hasattr(module, "to_out"):
            _clear(module.to_out[0])
    latents = _start_encoder(vae.encoder, pictures)
    _start_decoder(vae.decoder, latents, F.avg_pool2d(pictures, 8))


def _start_encoder(encoder: nn.Module, pictures: Tensor) -> Tensor:
    """Return the latents (N, C, H/8, W/8) that the encoder computes from the pictures at first."""
    _clear(encoder.conv_in, COLOURS)
    encoder.conv_in.weight[range(COLOURS), range(COLOURS), 1, 1] = 1.0
    seen = pictures
    *halving, last = encoder.down_blocks
    for block in halving:
        _pass_on(block.resnets[0], seen.shape[1])
        conv = block.downsamplers[0].conv
        rows, bias, _ = components(seen, 2, min(4 * seen.shape[1], int(KEPT * conv.out_channels)))
        _clear(conv, len(rows))
        conv.weight[: len(rows), : seen.shape[1], :2, :2] = rows.unflatten(1, (-1, 2, 2))
        conv.bias[: len(rows)] = bias
        seen = _joined(seen, 2, rows, bias)
    rows, bias, spread = components(seen, 1, encoder.conv_out.out_channels // 2)
    scale = spread.rsqrt() / spread.mean().sqrt()
    rows, bias = rows * scale[:, None], bias * scale
    found = _joined(seen, 1, rows, bias)
    _end_encoder(encoder, last.resnets[0].conv_shortcut, rows, bias, found)
    return found


def _end_encoder(encoder: nn.Module, mix: nn.Conv2d, rows: Tensor, bias: Tensor, found: Tensor) -> None:
    """Let `mix`, which changes the last stage's width, write each component `found` as a pair.

    The last layer reads the pairs behind the norm; each group of the norm holds constants too.
    """
    norm, out = encoder.conv_norm_out, encoder.conv_out
    width = norm.num_channels // norm.num_groups
    _clear(out)
    out.bias[len(rows) :] = LOG_VARIANCE
    for group, chosen in enumerate(torch.arange(len(rows)).chunk(norm.num_groups)):
        first, after = group * width, group * width + 2 * len(chosen)
        divisor = (found[:, chosen].square().mean() * 2 * len(chosen) + CONSTANTS * LEVEL**2) / width
        _clear(mix, slice(first, after + CONSTANTS))
        mix.bias[after : after + CONSTANTS] = LEVEL * torch.tensor([1.0, -1.0]).repeat(CONSTANTS // 2)
        for sign, channels in ((1.0, range(first, after, 2)), (-1.0, range(first + 1, after, 2))):
            mix.weight[channels, : rows.shape[1], 0, 0] = sign * rows[chosen]
            mix.bias[channels] = sign * bias[chosen]
            out.weight[chosen, channels, 1, 1] = sign * divisor.sqrt()
        mix.weight[after + CONSTANTS : first + width] *= QUIET


def _start_decoder(decoder: nn.Module, latents: Tensor, colours: Tensor) -> None:
    """Let the decoder give the mean colours (N, 3, h, w), fitted to the latents by least squares."""
    known = F.pad(latents.movedim(1, -1).flatten(0, 2), (0, 1), value=1.0)
    fit = torch.linalg.lstsq(known, colours.movedim(1, -1).flatten(0, 2)).solution.T
    carried = PAIRED + 2
    _clear(decoder.conv_in, carried)
    for first, sign in ((0, 1.0), (COLOURS, -1.0)):
        decoder.conv_in.weight[first : first + COLOURS, :, 1, 1] = sign * fit[:, :-1]
        decoder.conv_in.bias[first : first + COLOURS] = sign * fit[:, -1]
    decoder.conv_in.bias[PAIRED:carried] = LEVEL * torch.tensor([1.0, -1.0])
    for block in decoder.up_blocks:
        for resnet in block.resnets:
            _pass_on(resnet, carried)
        for up in block.upsamplers or ():
            _clear(up.conv, carried)
            up.conv.weight[range(carried), range(carried), 1, 1] = 1.0
    norm, out = decoder.conv_norm_out, decoder.conv_out
    width = norm.num_channels // norm.num_groups
    divisor = ((2 * COLOURS * colours.square().mean() + 2 * LEVEL**2) / width).sqrt()
    _clear(out)
    for colour in range(COLOURS):
        out.weight[colour, colour, 1, 1] = divisor
        out.weight[colour, colour + COLOURS, 1, 1] = -divisor


def components(seen: Tensor, side: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Principal components of side × side places of (N, C, H, W).

    Returns rows (count, C · side²), ordered as channel, down, across, biases and deviations (count,).
    """
    blocks = F.pixel_unshuffle(seen, side).movedim(1, -1).flatten(0, 2)
    mean, basis, spread = principal_components(blocks, count)
    return basis.T, -basis.T @ mean, spread


def _joined(seen: Tensor, side: int, rows: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(F.pixel_unshuffle(seen, side), rows[:, :, None, None], bias)


def _pass_on(resnet: nn.Module, count: int) -> None:
    """Let the first `count` channels pass the layer that changes a block's width."""
    if resnet.conv_shortcut is not None:
        _clear(resnet.conv_shortcut, count)
        resnet.conv_shortcut.weight[range(count), range(count), 0, 0] = 1.0


def _clear(layer: nn.Conv2d | nn.Linear, rows: int | slice | None = None) -> None:
    """Set some rows of a layer to zero: the first ones, a slice, or all."""
    chosen = rows if isinstance(rows, slice) else slice(rows)
    layer.weight[chosen] = 0.0
    layer.bias[chosen] = 0.0
