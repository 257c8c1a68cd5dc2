"""Where the training of the shop's transformer starts: it passes the noisy latents on, and adds little.

A patch enters on channels of its own and leaves multiplied by what its time asks for: the best linear answer,
if latents are independent with standard deviation 1. At noise that is minus the input. Constant channels are
biases for layers that have none, and keep the divisors of norms nearly the same for all tokens. Blocks start
with their gates a little open, and hardly touch the patch's channels: their outputs are normed, so they would
drown it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitrine_export.nets.z_image import ZImageNet
from vitrine_export.nets.z_image.net import PATCH_KEY

CONSTANTS, LEVEL = 8, 2.0
"""How many channels hold a constant, half of them its negative; its size."""
GATE = 0.25
"""What a block's output is multiplied by at first, in all channels,"""
TIMES, RIDGE = 256, 1e-3
"""Times that the final scale is fitted at, and how strongly its weights are kept small."""
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
    leave.adaLN_modulation[1].weight[:carried], leave.adaLN_modulation[1].bias[:carried] = _scales(net)
    for block in (*net.noise_refiner, *net.layers):
        linear = block.adaLN_modulation[0]
        _silence(linear)
        for gate in (1, 3):  # after the scales of attention and feed-forward
            linear.bias.unflatten(0, (4, width))[gate] = GATE
        for norm in (block.attention_norm2, block.ffn_norm2):
            norm.weight[:carried] = TOUCH
            norm.weight[-CONSTANTS:] = TOUCH
    nn.init.normal_(net.cap_pad_token, std=0.5)


def _scales(net: ZImageNet) -> tuple[Tensor, Tensor]:
    """Weights (width,) and bias () of the final scale, fitted to the best linear answer at every time.

    From latents x = (1 − σ)·c + σ·n the best linear guess of c − n is x · (1 − 2σ) / ((1 − σ)² + σ²); the
    layer's own factor is −1, and the scale is added to 1.
    """
    sigmas = torch.linspace(0.0, 1.0, TIMES)
    wanted = (2.0 * sigmas - 1.0) / ((1.0 - sigmas).square() + sigmas.square()) - 1.0
    known = F.silu(net.t_embedder((1.0 - sigmas) * net.config.t_scale))
    middle, mean = known.mean(dim=0), wanted.mean()
    known = known - middle
    gram = known.T @ known
    weight = torch.linalg.solve(
        gram + RIDGE * gram.trace() / len(gram) * torch.eye(len(gram)), known.T @ (wanted - mean)
    )
    return weight, mean - middle @ weight


def _silence(linear: nn.Linear) -> None:
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
