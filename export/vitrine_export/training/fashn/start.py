"""Where the training starts: as a network that copies the person.

From random weights a transformer first has to learn to carry a patch through its narrow stream. Here patches
enter and leave on their principal components, and every block starts as the identity. A few channels of a
large constant keep the last layer norm's divisor nearly the same for all tokens, so that it hardly bends
what is carried. Most heads start by looking at a place near their token, as a convolution does (d'Ascoli et
al., "ConViT", 2021). Garment and image have the same positions, so each image token sees the garment there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from vitrine_world import dolls

from vitrine_export.nets.fashn import FashnConfig, FashnNet
from vitrine_export.training.components import principal_components
from vitrine_export.training.fashn.draws import on_canvas
from vitrine_export.training.fashn.recipe import WORLD

CONSTANTS, LEVEL = 8, 5.0
"""How many channels hold a constant, half of them its negative; its size."""
SPREAD = 0.35
"""Scale of the carried components: a component of standard deviation s enters with SPREAD · √s."""
POSE = 0.01
"""Standard deviation of the pose's random weights."""
SAMPLES = 96


PLACES = ((0, 0), None, (2, 0), (0, 2))
"""Where heads look at first: (rows down, columns right), mirrored in every other block; None: anywhere."""
PAIRS = 3
"""The quickest rotary pairs of each axis tell the place; slower ones hardly turn on this canvas."""
PULL = 3.0
"""Size of the queries' and keys' bias in those pairs: several times what comes from the token."""


@torch.no_grad()
def start_as_copy(net: FashnNet) -> None:
    """Set the starting weights of `net` in place."""
    _start_blocks_as_identity(net)
    _look_around(net)
    carried = net.config.hidden - CONSTANTS
    mean, basis, deviation = principal_components(_patches(net), carried)
    scale = SPREAD / deviation.sqrt()
    entry = (basis * scale).T.reshape(carried, 3, net.config.patch, net.config.patch)
    for embedder, channels in ((net.x_embedder, slice(3, 6)), (net.garment_embedder, slice(0, 3))):
        nn.init.zeros_(embedder.proj.weight)
        embedder.proj.weight[:carried, channels] = entry
        embedder.proj.bias[:carried] = -(mean @ basis) * scale
        embedder.proj.bias[carried:] = LEVEL * torch.tensor([1.0, -1.0]).repeat(CONSTANTS // 2)
    pose = torch.randn(net.x_embedder.proj.weight[:, 6].shape) * POSE
    net.x_embedder.proj.weight[:, 6] = pose - pose.mean((1, 2), keepdim=True)  # an empty pose adds nothing
    typical = ((SPREAD**2 * deviation).sum() + CONSTANTS * LEVEL**2) / net.config.hidden
    leave = net.final_layer.linear
    nn.init.zeros_(leave.weight)
    leave.weight[:, :carried] = basis / scale * typical.sqrt()
    leave.bias.copy_(mean)


def _start_blocks_as_identity(net: FashnNet) -> None:
    """Every residual branch starts at zero and open: its last layer is zero, its gate one."""
    for name, module in net.named_modules():
        if name.endswith(("linear2", "attn.proj", "mlp.2")):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
        if name.endswith(("_mod", ".modulation")):
            nn.init.zeros_(module.lin.weight)
            nn.init.zeros_(module.lin.bias)
            for gate in module.lin.bias.unflatten(0, (-1, 3, net.config.hidden)):
                gate[2] = 1.0
        if name.endswith("adaLN_modulation.1"):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    nn.init.normal_(net.y_embedder.weight, std=0.5)


def _look_around(net: FashnNet) -> None:
    """Give queries and keys biases whose rotary product is largest at the heads' places."""
    config, number = net.config, 0
    width = config.hidden // config.heads
    for name, module in net.named_modules():
        if name.endswith(("linear1", "attn.qkv")):
            sign = 1 - 2 * (number % 2)
            bias = module.bias[: 2 * config.hidden].unflatten(0, (2, config.heads, width))
            for head in range(config.heads):
                place = PLACES[head % len(PLACES)]
                if place is not None:
                    bias[0, head] = _towards((0, 0), config)
                    bias[1, head] = _towards((sign * place[0], sign * place[1]), config)
            number += 1


def _towards(place: tuple[int, int], config: FashnConfig) -> Tensor:
    """A head's bias (D,): a key's is turned back by the place, so that it meets the query's there."""
    unused, *axes = config.axes
    parts = [torch.zeros(unused)]
    for dims, offset in zip(axes, place, strict=True):
        angles = -offset * config.theta ** (-torch.arange(0, dims, 2) / dims)
        pull = torch.where(torch.arange(dims // 2) < PAIRS, PULL, 0.0)
        parts.append(torch.stack((pull * angles.cos(), pull * angles.sin()), dim=-1).flatten())
    return torch.cat(parts)


def _patches(net: FashnNet) -> Tensor:
    """Patches (n, P) of drawn people and garments, in -1…1."""
    made = [dolls.sample(WORLD + 1, index) for index in range(SAMPLES)]
    drawn = [dolls.draw_person(one.target) for one in made] + [
        dolls.draw_garment(one.garment) for one in made
    ]
    pictures = torch.stack([torch.from_numpy(on_canvas(picture)) for picture in drawn])
    return net.patches(pictures.permute(0, 3, 1, 2).float() / 127.5 - 1).flatten(0, 1)
