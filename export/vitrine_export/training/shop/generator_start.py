"""Where the training of the shop's transformer starts: it passes the noisy latents on, and adds little.

A patch enters on channels of its own and leaves with the opposite sign, which is the best linear answer at
noise: there the output (the clean picture minus the noise) is minus the input. Constant channels are biases
for layers that have none, and keep the divisors of norms nearly the same for all tokens. Blocks start with
their gates a little open, and hardly touch the patch's channels: their outputs are normed, so they would
drown it.
"""

from __future__ import annotations

import torch
from torch import nn

from vitrine_export.nets.z_image import ZImageNet
from vitrine_export.nets.z_image.net import PATCH_KEY

CONSTANTS, LEVEL = 8, 2.0
"""How many channels hold a constant, half of them its negative; its size."""
GATE = 0.25
"""What a block's output is multiplied by at first, in all channels,"""
TOUCH = 0.1
"""and once more in the patch's channels."""


@torch.no_grad()
def start_as_passage(net: ZImageNet) -> None:
    """Set the starting weights of `net` in place; other weights keep their random values."""
    width, carried = net.config.dim, net.config.patch_width
    enter, leave = net.all_x_embedder[PATCH_KEY], net.all_final_layer[PATCH_KEY]
    nn.init.normal_(enter.weight, std=0.02)
    enter.weight[:carried] = torch.eye(carried)
    nn.init.zeros_(enter.bias)
    enter.bias[-CONSTANTS:] = LEVEL * torch.tensor([1.0, -1.0]).repeat(CONSTANTS // 2)
    divisor = ((carried + CONSTANTS * LEVEL**2) / width) ** 0.5
    nn.init.normal_(leave.linear.weight, std=0.02)
    leave.linear.weight[:, :carried] = -divisor * torch.eye(carried)
    nn.init.zeros_(leave.linear.bias)
    _silence(leave.adaLN_modulation[1])
    for block in (*net.noise_refiner, *net.layers):
        linear = block.adaLN_modulation[0]
        _silence(linear)
        for gate in (1, 3):  # after the scales of attention and feed-forward
            linear.bias.unflatten(0, (4, width))[gate] = GATE
        for norm in (block.attention_norm2, block.ffn_norm2):
            norm.weight[:carried] = TOUCH
            norm.weight[-CONSTANTS:] = TOUCH
    nn.init.normal_(net.cap_pad_token, std=0.5)


def _silence(linear: nn.Linear) -> None:
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
