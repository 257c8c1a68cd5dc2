"""Random weights that keep the scale of activations, for trials of nets without their weights."""

from typing import TypeVar

import torch
from torch import nn

from vitrine_export.nets.dit.layers import RmsNorm

Net = TypeVar("Net", bound=nn.Module)
NORMS = nn.GroupNorm | nn.LayerNorm | RmsNorm


def filled(net: Net, seed: int, device: torch.device | str = "cpu") -> Net:
    """Fill a net of the meta device in place on `device`: deviation 1/√fan_in, biases 0, norms 1.

    A seed always gives the same values on the same kind of device. No values pass through the host. Buffers
    that are not on the meta device, as tables of positions, keep their values.
    """
    draw = torch.Generator(device).manual_seed(seed)
    tables = {name: table.clone() for name, table in net.named_buffers() if not table.is_meta}
    net = net.to_empty(device=device).requires_grad_(False).eval()
    for name, table in tables.items():
        net.get_buffer(name).copy_(table)
    norms = {id(p) for m in net.modules() if isinstance(m, NORMS) for p in (m.weight,)}
    for _, parameter in sorted(net.named_parameters()):
        if id(parameter) in norms:
            parameter.fill_(1.0)
        elif parameter.dim() < 2:
            parameter.zero_()
        else:
            bound = (3.0 / parameter[0].numel()) ** 0.5
            parameter.uniform_(-bound, bound, generator=draw)
    return net
